"""What a battle's files tell of its training: figures, curves, anomalies. No database, no torch: `steps.bin`,
`events.jsonl` and `order.json` are all there is to read, beside a trainer that may be writing them."""

from arena.statistics.battle import BattleStatistics as BattleStatistics
from arena.statistics.battle import of_battle as of_battle
from arena.statistics.manager import StatisticsManager as StatisticsManager
