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
_UNIT = "fairchem.core.units.mlip_unit.mlip_unit"

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
    # checkpoints: ocp_dc/checkpoints and ocp_dc/fairchem2/infer
    HostName(
        "fairchem.core.units.mlip_unit.api.inference:MLIPInferenceCheckpoint",
        "the class in a checkpoint, also in the best one; its name and its fields are read and written",
    ),
    HostName(
        "fairchem.core.units.mlip_unit.api.inference:guess_inference_settings", "turns the name of settings into them"
    ),
    # inference: ocp_dc/fairchem2/inference_guard.py
    HostName(
        "fairchem.core.units.mlip_unit.api.inference:MergeMoleConsistencyError",
        "raised to make the predict unit go on without merging experts",
    ),
    HostName(f"{_PREDICT}:MLIPPredictUnit._initialize", "catches it; see the line above"),
    HostName("fairchem.core.models.uma.nn.execution_backends:ExecutionBackend", "the kernels that call every layer"),
    HostName("fairchem.core.models.uma.nn.execution_backends:ExecutionMode.GENERAL", "the name of these kernels"),
    HostName("fairchem.core.models.uma.nn.execution_backends:get_execution_backend", "makes these kernels"),
    # the command line and studies: ocp_dc/fairchem2/main.py, study_runs.py, infer/predictor.py
    HostName("fairchem.core._cli:main", "fairchem's main"),
    HostName("fairchem.core._cli:get_canonical_config", "checks a config before a study starts its runs"),
    HostName("fairchem.core.launchers.api:JobConfig.run_dir", "given, since its default makes a folder"),
    HostName("fairchem.core.datasets.ase_datasets:apply_one_tags", "predictions get the tags that training data get"),
    # the data: ocp_dc/fairchem2/labels/dataset.py
    HostName("fairchem.core.datasets.ase_datasets:AseDBDataset.get_atoms", "overridden, so that labels are checked"),
    HostName("fairchem.core.datasets.atomic_data:AtomicData.from_ase", "called, and the energy added in float64"),
    HostName("fairchem.core.units.mlip_unit.mlip_unit:mt_collater_adapter", "makes the collater that ours calls"),
    HostName("fairchem.core.units.mlip_unit.mlip_unit:DEFAULT_EXCLUDE_KEYS", "its default, passed on"),
    # training: ocp_dc/fairchem2/train
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.tasks", "their losses are read by forward hooks"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.model", "the network, in DistributedDataParallel on one rank, too"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.ema_model", "the averaged weights, which are validated"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.ema_decay", "compared with the steps of the run"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.eval_unit", "has the sums and counts of a validation"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.optimizer", "gradients are checked and clipped in a hook before its step"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.scheduler", "the learning rate in validation.csv"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.clip_grad_norm", "done after the check of the gradients"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.last_grad_norm", "the norm that fairchem logs"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.print_every", "how often fairchem reads the loss of a GPU"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.lazy_state_location", "the checkpoint from which the run resumes"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.save_state", "wrapped, so that each checkpoint has the progress of the run"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.job_config", "says where save_state finds the config of the run"),
    HostName(f"{_UNIT}:MLIPTrainEvalUnit.get_finetune_model_config", "the config of a fine-tuned model"),
    HostName(f"{_UNIT}:MLIPEvalUnit.running_metrics", "sums and counts of the metrics on this rank"),
    HostName(f"{_UNIT}:MLIPEvalUnit.total_loss_metrics", "sum and count of the loss on this rank"),
    HostName("fairchem.core.modules.loss:DDPMTLoss.loss_fn", "its loss per sample is read by a forward hook"),
    HostName("fairchem.core.launchers.api:CONFIG_FILE_NAME", "the resolved config in the folder of a run"),
    HostName("fairchem.core.launchers.api:RESULTS_DIR", "the folder of the results of a run"),
    HostName(
        "fairchem.core.components.train.train_runner:TrainEvalRunner._set_runner_callbacks",
        "tells the callback the folder of checkpoints, by set_runner_callbacks",
    ),
    HostName(
        "fairchem.core.components.train.train_runner:TrainEvalRunner.load_state",
        "the bound method is given to the callback, which takes the unit from its runner's train_eval_unit",
    ),
    # native backbones and their head: ocp_dc/fairchem2/backbones/, ocp_dc/fairchem2/heads.py
    HostName(f"{_BASE}:BackboneInterface", "the base of native backbones; fairchem's units call its methods"),
    HostName(f"{_BASE}:HeadInterface", "the base of their head"),
    HostName(
        f"{_MODEL}:GradRegressConfig", "says what is differentiated; tasks of inference change it; EScAIP lacks it"
    ),
    HostName(f"{_PREDICT}:_prepare_inference_gradients", "lets positions require gradients, which backbones detach"),
    HostName("fairchem.core.models.uma.outputs:compute_hessian", "computes the Hessian from forces"),
    HostName("fairchem.core.common.gp_utils:initialized", "says whether processes share the graph of a batch"),
    HostName(
        "fairchem.core.modules.normalization.element_references:ElementReferences.compute_references",
        "reads batch_full and atomic_numbers_full of a batch, which the backbone sets",
    ),
    HostName("fairchem.core.datasets.embeddings:KHOT_EMBEDDINGS", "features of the elements for CGCNN"),
    HostName("fairchem.core.datasets.embeddings:QMOF_KHOT_EMBEDDINGS", "features of the elements for CGCNN"),
    HostName("fairchem.core.datasets.embeddings:ATOMIC_RADII", "radii of the elements for ForceNet"),
    HostName("fairchem.core.datasets.embeddings:CONTINUOUS_EMBEDDINGS", "properties of the elements for ForceNet"),
    # EScAIP and AllScAIP: ocp_dc/fairchem2/backbones/scaip.py
    HostName("fairchem.core.models.escaip.EScAIP:EScAIPBackbone.gnn_cfg", "the list of frequencies, which is checked"),
    HostName("fairchem.core.models.escaip.EScAIP:EScAIPBackbone.global_cfg", "its width, for this check"),
    HostName("fairchem.core.models.allscaip.AllScAIP:AllScAIPBackbone.gnn_cfg", "as for EScAIP"),
    HostName("fairchem.core.models.allscaip.AllScAIP:AllScAIPBackbone.global_cfg", "as for EScAIP"),
    HostName(
        "fairchem.core.models.escaip.EScAIP:EScAIPGradientEnergyForceStressHead.node_norm",
        "frozen, since it is never called and DDP waits for its gradients",
    ),
    # fine-tuning: ocp_dc/fairchem2/finetune.py
    HostName("fairchem.core.models.uma.compat:apply_uma_compat_fixups", "fairchem applies it to checkpoints of UMA"),
    HostName("fairchem.core.calculate.pretrained_mlip:pretrained_checkpoint_path_from_name", "downloads a checkpoint"),
    HostName("fairchem.core.calculate.pretrained_mlip:available_models", "the names of these checkpoints"),
    HostName(
        "fairchem.core.units.mlip_unit.mlip_unit:MLIPTrainEvalUnit.finetune_model_full_config",
        "the unit takes the attribute of this name from the model, and saves it as the config of the model",
    ),
    HostName("fairchem.core.models.uma.escn_md:eSCNMDBackbone.dataset_mapping", "extended by names of other data sets"),
)
