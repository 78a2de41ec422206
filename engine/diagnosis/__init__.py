"""Why a run waits, and what to change, decided by an experiment.

`factors` is what is changed around a configuration, `budget` what some minutes buy of it, `record`
what `study.json` holds of it, `evidence` what came of it, `conditions` what that amounts to, and
`table` what follows.
"""
