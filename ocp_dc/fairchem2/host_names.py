"""The names of fairchem 2 that are not public API and that this package uses, each with the reason.

A test compares the list with the installed fairchem, so that a new version shows what it changed.
"""

from __future__ import annotations

from typing import NamedTuple


class HostName(NamedTuple):
    """A name of fairchem: ``module:name``, ``module:Class.attribute`` (also of an instance), and why it is used."""

    path: str
    why: str


_BASE = "fairchem.core.models.base"
_MODEL = "fairchem.core.models.uma.escn_md"
_PREDICT = "fairchem.core.units.mlip_unit.predict"

HOST_NAMES = (
    # the model: ocp_dc/fairchem2/dc_model.py
    HostName(f"{_BASE}:HydraModel.backbone", "the first part of a path of surgery"),
    HostName(f"{_BASE}:HydraModel.output_heads", "the first part of a path of surgery"),
    HostName(f"{_BASE}:HydraModel.device", "set by the first batch; reset after the forward pass that finds widths"),
    HostName(f"{_BASE}:HydraModel.prepare_for_inference", "overridden, so that no stock layer comes back"),
    HostName(f"{_MODEL}:eSCNMDBackbone.csd_embedding", "overridden, so that surgery reaches its activation"),
    HostName(f"{_MODEL}:eSCNMDBackbone.mix_csd", "called in the override of csd_embedding"),
    HostName(f"{_MODEL}:eSCNMDBackbone.charge_embedding", "called in the override of csd_embedding"),
    HostName(f"{_MODEL}:eSCNMDBackbone.spin_embedding", "called in the override of csd_embedding"),
    HostName(f"{_MODEL}:eSCNMDBackbone.dataset_embedding", "called in the override of csd_embedding"),
    HostName(f"{_MODEL}:eSCNMDBackbone.use_dataset_embedding", "read in the override of csd_embedding"),
    HostName(
        f"{_MODEL}:eSCNMDBackbone.regress_config", "says whether forces are direct; fairchem's units read it, too"
    ),
    HostName("fairchem.core.models.uma.escn_moe:eSCNMDMoeBackbone.num_experts", "says whether experts can be merged"),
    HostName("fairchem.core.models.uma.escn_moe:DatasetSpecificMoEWrapper.head", "the head itself"),
    HostName("fairchem.core.models.uma.escn_moe:DatasetSpecificSingleHeadWrapper.head", "the head itself"),
    # inference: ocp_dc/fairchem2/inference_guard.py
    HostName(
        "fairchem.core.units.mlip_unit.api.inference:MergeMoleConsistencyError",
        "raised to make the predict unit go on without merging experts",
    ),
    HostName(f"{_PREDICT}:MLIPPredictUnit._initialize", "catches it; see the line above"),
    HostName("fairchem.core.models.uma.nn.execution_backends:ExecutionBackend", "the kernels that call every layer"),
    HostName("fairchem.core.models.uma.nn.execution_backends:ExecutionMode.GENERAL", "the name of these kernels"),
    HostName("fairchem.core.models.uma.nn.execution_backends:get_execution_backend", "makes these kernels"),
    # the command line and studies: ocp_dc/fairchem2/main.py, study_runs.py, infer/structures.py
    HostName("fairchem.core._cli:main", "fairchem's main"),
    HostName("fairchem.core._cli:get_canonical_config", "checks a config before a study starts its runs"),
    HostName("fairchem.core.launchers.api:JobConfig.run_dir", "given, since its default makes a folder"),
    HostName("fairchem.core.datasets.ase_datasets:apply_one_tags", "predictions get the tags that training data get"),
)
