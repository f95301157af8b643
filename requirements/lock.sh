#!/bin/sh
# Resolve the lock files, one pair for each host: lock.txt and dev.txt for fairchem 1.10 on Python 3.10 to 3.12, and
# fairchem2.txt and fairchem2-dev.txt for fairchem 2 on Python 3.11 to 3.14. Needs uv.
# fairchem-core 1.10.0 pins torch 2.4, which the override replaces; torch and the CUDA packages that it brings are left
# out, since pip installs them first in the build that suits the machine. fairchem 2 itself needs cuda-python and
# nvidia-cutlass-dsl.
set -eu
cd "$(dirname "$0")"
resolve() {
    python=$1
    shift
    uv pip compile -q --universal --python-version "$python" --no-header --override torch.txt "$@"
}
leave_out_torch() {
    awk '/^[^ ]/ {
        keep = /^(cuda-(python|core|bindings|pathfinder)|nvidia-cutlass)/ || \
            !/^(torch|triton|nvidia-[a-z0-9-]*|cuda-[a-z]*)=/
    } keep'
}
# lock PYTHON IN OUT DEV_IN DEV_OUT
lock() {
    {
        echo '# Written by `make lock`: every package but torch, which is installed first from whatever build pip finds.'
        resolve "$1" "$2" | leave_out_torch
    } > lock.new
    mv lock.new "$3"
    {
        echo "# Written by \`make lock\`: what the tests, the checks and the site need, beside $3."
        resolve "$1" -c "$3" "$2" "$4" | leave_out_torch |
            awk 'NR == FNR { have[$0]; next } /^[^ ]/ { keep = !($0 in have) } keep' "$3" -
    } > dev.new
    mv dev.new "$5"
}
lock 3.10 lock.in lock.txt dev.in dev.txt
lock 3.11 fairchem2.in fairchem2.txt fairchem2-dev.in fairchem2-dev.txt
