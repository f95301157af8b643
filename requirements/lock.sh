#!/bin/sh
# Resolve lock.in and dev.in for Python 3.10 to 3.12 into lock.txt and dev.txt. Needs uv.
# fairchem-core 1.10.0 pins torch 2.4, which the override replaces; torch and the CUDA packages that it brings are left
# out, since pip installs them first in the build that suits the machine.
set -eu
cd "$(dirname "$0")/.."
resolve() {
    uv pip compile -q --universal --python-version 3.10 --no-header --override requirements/torch.txt "$@"
}
leave_out_torch() {
    awk '/^[^ ]/ { keep = $0 !~ /^(torch|triton|nvidia-[a-z0-9-]*|cuda-[a-z]*)=/ } keep'
}
{
    echo '# Written by `make lock`: every package but torch, which is installed first from whatever build pip finds.'
    resolve requirements/lock.in | leave_out_torch
} > requirements/lock.new
mv requirements/lock.new requirements/lock.txt
{
    echo '# Written by `make lock`: what the tests, the checks and the site need, beside lock.txt.'
    resolve -c requirements/lock.txt requirements/lock.in requirements/dev.in | leave_out_torch |
        awk 'NR == FNR { have[$0]; next } /^[^ ]/ { keep = !($0 in have) } keep' requirements/lock.txt -
} > requirements/dev.new
mv requirements/dev.new requirements/dev.txt
