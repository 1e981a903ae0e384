"""The site's side: takes the weights, gives them back."""

from __future__ import annotations

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from emptyround.model import unet_state

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Read the weights into a state dict and send them back untrained."""
    state = message.content["arrays"].to_torch_state_dict()
    assert state.keys() == unet_state().keys()
    content = RecordDict({"arrays": ArrayRecord(state), "metrics": MetricRecord({"num-examples": 1})})
    return Message(content=content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Read the weights and send back a number."""
    message.content["arrays"].to_torch_state_dict()
    content = RecordDict({"metrics": MetricRecord({"num-examples": 1, "score": 0.5})})
    return Message(content=content, reply_to=message)
