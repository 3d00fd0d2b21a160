"""Backups: a consistent copy of the data folder while agents run, verified, and restored without overwriting anything."""

from memgpt_agent.backups.checking import Problem, check_home
from memgpt_agent.backups.lost import refuse_lost_memory
from memgpt_agent.backups.manifest import Backup
from memgpt_agent.backups.restoring import Restored, restore, verify_backup
from memgpt_agent.backups.writing import backup, copy_before_upgrade, drop_upgrade_copies

__all__ = [
    "Backup",
    "Problem",
    "Restored",
    "backup",
    "check_home",
    "copy_before_upgrade",
    "drop_upgrade_copies",
    "refuse_lost_memory",
    "restore",
    "verify_backup",
]
