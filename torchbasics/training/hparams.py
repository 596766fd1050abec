"""What TensorBoard's HParams tab shows of a run: its hyperparameters, its results, and whether it came to an end."""

from pathlib import Path
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from torch.utils.tensorboard import summary

from torchbasics.board import Board

# The end of the name of an event file that only has the hyperparameters and their result.
SUFFIX = ".hparams"
RESULTS = ("result/cost", "result/train_accuracy", "result/test_accuracy")
# The tab begins with five columns: the first five by name, if no hyperparameter is said to differ between runs.
COLUMNS = ("activation", "batch_size", "layers", "learning_rate", "optimizer")


def write(folder: Path, i: int, hyperparameters: dict[str, Any], *, failed: bool = False) -> None:
    """The session of one engine's run in `folder`, which ended after i updates.

    Its results are the last values of the curves `RESULTS`, which a failed one need not have. TensorBoard takes the
    names of all of them from whichever run it reads first, so that every run has the same.
    """
    board = Board(folder, suffix=SUFFIX)
    experiment, start, end = summary.hparams(hyperparameters, dict.fromkeys(RESULTS, 0.0))
    _choose_columns(experiment)
    for part in (experiment, start, _failure() if failed else end):
        board.add(i, part)
    board.close()


def remove(folder: Path) -> None:
    """TensorBoard keeps the first session that it meets: that of an earlier, shorter end must go."""
    for earlier in folder.glob(f"*{SUFFIX}"):
        earlier.unlink()


def _choose_columns(experiment: Summary) -> None:
    plugin = experiment.value[0].metadata.plugin_data
    content = HParamsPluginData.FromString(plugin.content)
    for info in content.experiment.hparam_infos:
        info.differs = info.name in COLUMNS
    plugin.content = content.SerializeToString()


def _failure() -> Summary:
    ended = SessionEndInfo(status=STATUS_FAILURE)
    content = HParamsPluginData(session_end_info=ended, version=metadata.PLUGIN_DATA_VERSION).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=content)
    value = Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=SummaryMetadata(plugin_data=plugin))
    return Summary(value=[value])
