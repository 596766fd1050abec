"""TensorBoard's Custom Scalars tab: which of a run's curves are drawn in one chart, and under what headings."""

from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import custom_scalars

# A chart draws every tag that one of its regular expressions matches from the beginning, for every run that is ticked:
# manual and torch come to lie over one another.
_CHARTS = {
    "cost": {"cost J": ["cost$"]},
    "difference": {
        "log10 abs(J_manual - J_torch)": ["difference/log10_cost$"],
        "largest difference of dW and db": ["difference/largest_dW"],
    },
    "accuracy": {"on the training set": ["accuracy/train$"], "on the test set": ["accuracy/test$"]},
    "gradient norms": {"of dW and db together, layer by layer": ["gradient_norm/layer_"]},
}


def layout(*, both: bool) -> Summary:
    """The tab's headings and charts; those of the difference only where both engines run.

    TensorBoard reads it from any of the runs and shows it for all of them, and merges equal charts of several runs: it
    is written once for a run, and names no layer that another run may not have.
    """
    shown = {name: charts for name, charts in _CHARTS.items() if both or name != "difference"}
    return custom_scalars(
        {name: {title: ["Multiline", tags] for title, tags in charts.items()} for name, charts in shown.items()}
    )
