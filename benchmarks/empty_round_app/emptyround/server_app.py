"""The aggregator's side: Flower's own FedAvg loop, with the time of each round written down."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from emptyround.model import unet_state

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Wait for the sites, run the rounds, and write how many seconds each took."""
    sites = int(context.run_config["sites"])
    while len(list(grid.get_node_ids())) < sites:
        time.sleep(0.2)
    ticks: list[float] = []

    def tick(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
        ticks.append(time.monotonic())
        return None

    strategy = FedAvg(min_train_nodes=sites, min_evaluate_nodes=sites, min_available_nodes=sites)
    rounds = int(context.run_config["num-rounds"])
    strategy.start(grid, ArrayRecord(unet_state()), num_rounds=rounds, evaluate_fn=tick)
    seconds = [after - before for before, after in itertools.pairwise(ticks)]
    Path(str(context.run_config["report"])).write_text(json.dumps(seconds))
