"""What an allocation runs: nothing, until it is over.

A grant's end is a moment, and Slurm's limit is a length that counts from the start. A job that had to wait would run too long by
as long as it waited, so the first thing it does is to shorten its own limit: Slurm lets a job's owner do that. From then
on the controller ends it, whether Quartermaster runs or not. The end stands in the comment, where an extension changes it;
it is read again after it was used, so that an extension meanwhile is not undone. The limit is whole minutes; the script itself
ends at the second, after one more look.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

SCRIPT: Final = """#!/bin/sh
# Holds this allocation until it is over. What runs in it: srun --jobid=$SLURM_JOB_ID --overlap COMMAND
PATH=@PATH@
TZ=UTC
export PATH TZ
granted() {
  comment=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%k 2>/dev/null) || return 1
  end=${comment##*:}
  case $end in '' | *[!0-9]*) return 1 ;; esac
  echo "$end"
}
started() {
  date -d "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%S 2>/dev/null)" +%s 2>/dev/null
}
while :; do
  if end=$(granted) && start=$(started); then
    [ "$end" -gt "$(date +%s)" ] || exit 0
    scontrol update "JobId=$SLURM_JOB_ID" "TimeLimit=$(((end - start + 59) / 60))" Requeue=0 >/dev/null 2>&1
    if [ "$(granted)" = "$end" ]; then
      sleep "$((end - $(date +%s) + 1))"
      continue
    fi
  fi
  sleep 15
done
"""


def holding_script(bin_folder: Path | None) -> str:
    """Return the script; it finds Slurm's commands on the node in `bin_folder` or in the usual places.

    Where a node has none it only waits, and the limit given at submission ends it.
    """
    usual = "/usr/local/bin:/usr/bin:/bin:/opt/slurm/bin:/usr/local/slurm/bin"
    return SCRIPT.replace("@PATH@", usual if bin_folder is None else f"'{bin_folder}:{usual}'")
