"""The plain code: pandas in memory, with one function per phase that downloads what the previous one uploaded.

It runs in its own environment (`.venv-bench`) and prints one JSON document with the seconds of each phase and the
metrics. Objects are stored at MINIO_ENDPOINT, or below PLAIN_FOLDER if that is unset.
"""

import datetime as dt
import io
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
from botocore.exceptions import ClientError
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

FEATURES = ["bytes", "duration", "bytes_per_second"]
SCORED = ["timestamp", "uid", "src_ip", "src_port", "dst_ip", "dst_port", "protocol", "service", *FEATURES, "label"]
SLICE_FLOWS = 100_000
TOP = 100


class Bucket:
    """Objects on an S3 server."""

    def __init__(self, name: str = "plain") -> None:
        """Create the bucket if it is missing."""
        self.name = name
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{os.environ['MINIO_ENDPOINT']}",
            region_name="us-east-1",
            aws_access_key_id=os.environ["MINIO_ACCESS_KEY"],
            aws_secret_access_key=os.environ["MINIO_SECRET_KEY"],
        )
        try:
            self.client.head_bucket(Bucket=name)
        except ClientError:
            self.client.create_bucket(Bucket=name)

    def upload(self, name: str, content: io.BytesIO) -> None:
        """Store an object."""
        content.seek(0)
        self.client.upload_fileobj(content, self.name, name)

    def download(self, name: str) -> io.BytesIO:
        """Fetch an object."""
        content = io.BytesIO()
        self.client.download_fileobj(self.name, name, content)
        content.seek(0)
        return content


class Folder:
    """Objects as files, for a machine without MinIO."""

    def __init__(self, root: Path) -> None:
        """Create the folder."""
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def upload(self, name: str, content: io.BytesIO) -> None:
        """Store an object."""
        (self.root / name).write_bytes(content.getbuffer())

    def download(self, name: str) -> io.BytesIO:
        """Fetch an object."""
        return io.BytesIO((self.root / name).read_bytes())


Store = Bucket | Folder


def upload_table(store: Store, name: str, table: pd.DataFrame) -> None:
    """Store a table as Parquet."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    store.upload(name, buffer)


def raw(store: Store, day: dt.date, flows: int) -> None:
    """Generate the day's flows with the product's generator, slice by slice, and store them."""
    from cybersec_assets.flows.schema import RAW_SCHEMA
    from cybersec_assets.flows.synthetic.flows import synthetic_flows

    slices = synthetic_flows(day, flows).select(list(RAW_SCHEMA)).collect_batches(chunk_size=SLICE_FLOWS)
    upload_table(store, "raw.parquet", pd.concat([part.to_pandas() for part in slices], ignore_index=True))


def silver(store: Store) -> None:
    """Fill unset values, drop repeated records, and derive columns."""
    table = pd.read_parquet(store.download("raw.parquet"))
    table = table.drop_duplicates(["uid", "timestamp"])
    volumes = ["bytes", "duration", "orig_bytes", "resp_bytes", "orig_packets", "resp_packets"]
    table[volumes] = table[volumes].fillna(0)
    lasting = table["duration"].where(table["duration"] > 0)
    table["bytes_per_second"] = (table["bytes"] / lasting).fillna(0.0)
    table["timestamp_hour"] = table["timestamp"].dt.hour
    limits = [-np.inf, 500, 1_500, np.inf]
    table["flow_size_category"] = pd.cut(table["bytes"], limits, labels=["small", "medium", "large"])
    upload_table(store, "silver.parquet", table)


def train(store: Store) -> None:
    """Fit the model on log1p of the features."""
    features = np.log1p(pd.read_parquet(store.download("silver.parquet"), columns=FEATURES))
    model = IsolationForest(n_estimators=100, contamination="auto", random_state=42).fit(features)
    store.upload("model.pkl", io.BytesIO(pickle.dumps(model)))


def evaluate(store: Store) -> dict[str, float]:
    """Score every flow and store the scores with the flows."""
    model = pickle.load(store.download("model.pkl"))
    table = pd.read_parquet(store.download("silver.parquet"), columns=SCORED)
    table["anomaly_score"] = -model.score_samples(np.log1p(table[FEATURES]))
    table["anomaly"] = table["anomaly_score"] > -model.offset_
    metrics = summarize(table)
    upload_table(store, "eval.parquet", table)
    return metrics


def summarize(table: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of the scores."""
    scores = table["anomaly_score"]
    labels = table["label"].astype(bool)
    return {
        "flows": len(table),
        "anomaly_rate": float(table["anomaly"].mean()),
        "score_mean": float(scores.mean()),
        "score_std": float(scores.std(ddof=0)),
        "auroc": float(roc_auc_score(labels, scores)),
        "average_precision": float(average_precision_score(labels, scores)),
        "precision_at_100": float(labels[scores.nlargest(TOP).index].mean()),
    }


def timed(work: Callable[..., dict[str, float] | None], *arguments: object) -> tuple[float, dict[str, float]]:
    """Run a phase and return its seconds and its result."""
    begin = time.monotonic()
    result = work(*arguments)
    return time.monotonic() - begin, result or {}


def main(day: str, flows: str) -> None:
    """Run all phases of a day."""
    store = Bucket() if "MINIO_ENDPOINT" in os.environ else Folder(Path(os.environ["PLAIN_FOLDER"]))
    seconds = {
        "raw": timed(raw, store, dt.date.fromisoformat(day), int(flows))[0],
        "silver": timed(silver, store)[0],
        "train": timed(train, store)[0],
    }
    seconds["evaluate"], metrics = timed(evaluate, store)
    print(json.dumps({"seconds": seconds, "metrics": metrics}))


if __name__ == "__main__":
    main(*sys.argv[1:])
