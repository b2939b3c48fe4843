"""Where the day's flow logs come from, as a Dagster resource."""

import datetime as dt
from pathlib import Path

import dagster as dg
from pydantic import Field

from cybersec_assets.flows.files import SourceFile
from cybersec_assets.flows.source import AUTO, SYNTHETIC, DayLogs, day_logs, find_files


class FlowSourceResource(dg.ConfigurableResource["FlowSourceResource"]):
    """A place of logs, or the synthetic source where no place is given."""

    uri: str | None = Field(None, description="A path or glob; `{date}` becomes YYYY-MM-DD, also `{date:%Y%m%d}`.")
    format: str = Field(AUTO, description="auto (by content), or a format's name.")
    columns: str | None = Field(
        None,
        description="Which columns of CSV or Parquet are meant: `bytes=sbytes+dbytes,duration=dur`; see the README.",
    )
    synthetic_flows: int = Field(200_000, description="How many synthetic flows make a day.")

    def logs_of(self, day: dt.date, folder: Path) -> DayLogs:
        """Find a day's flows, the logs' copies in a folder; see `flows.source.day_logs`."""
        return day_logs(day, self.uri, folder, self.format, columns=self.columns, synthetic=self.synthetic_flows)

    def files_of(self, day: dt.date) -> list[SourceFile]:
        """Give the files that would feed a day now; none where its flows are made up."""
        return [] if self.uri is None or self.format == SYNTHETIC else find_files(day, self.uri)
