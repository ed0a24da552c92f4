"""The tick: `allowance` says how many events may move, `tick` moves them, `forward` message by message."""
