# %% [markdown]
# # The loss is flat for five epochs. Is that normal?
#
# A network with four hidden layers, weights and biases drawn as small random numbers, Adam: for
# the first epochs the training loss does not move. One restart shows the same, and proves little.
# Here twelve seeds are trained side by side, and twelve more with another start.
#
# This file is a notebook as plain Python. VS Code, PyCharm and Spyder run its cells as they are;
# `pip install jupytext`, then `jupytext --to notebook docs/notebook.py`, makes a file for Jupyter.

# %%
import matplotlib.pyplot as plt
import plateau_engine as engine

# %% [markdown]
# ## The question as a study
#
# An *arm* is one configuration. Both arms are the same but for how they start, and every arm is
# trained with the same seeds, so that they can be compared in pairs.

# %%
network = {"model": "mlp", "dense_widths": (64, 64, 64, 64), "learning_rate": 3e-4}
study = engine.Study(
    name="flat",
    question="Is a flat loss in the first epochs normal?",
    arms={"small": engine.Arm(init="normal", init_scale=0.04, **network), "he": engine.Arm(init="he", **network)},
    baseline="small",
    seeds=12,
    epochs=15,
)

# %% [markdown]
# ## The verdict
#
# `engine.run` trains what is missing of the study, one process per core, and keeps it in a work
# directory. Run the cell again, and it is there at once; interrupt it, and it goes on from there.

# %%
results = engine.run(study, "runs/flat")
results

# %% [markdown]
# ## Every run in a table
#
# One row per run, times in steps; [columns.md](columns.md) says what each column means. A run that
# was never seen to leave chance level has no onset: it is censored, not forgotten.

# %%
outcomes = results.outcomes.to_pandas()
outcomes[["arm", "seed", "status", "onset_step", "half_step", "end_accuracy"]].head()

# %%
outcomes.groupby(["arm", "status"], as_index=False).size()

# %% [markdown]
# ## A plot
#
# `curves` gives arrays: `steps` is `[num_points]` and `values` `[num_seeds, num_points]`, with NaN
# where a run had ended. `results.figures` has the figures of the report.

# %%
steps_per_epoch = results.summary["arms"]["small"]["steps_per_epoch"]
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for arm, colour in (("small", "tab:blue"), ("he", "tab:green")):
    steps, values, _ = results.curves(arm, "loss")
    axes.plot(steps / steps_per_epoch, values.T, color=colour, alpha=0.5, linewidth=0.8)
    axes.plot([], [], color=colour, label=arm)
axes.set(xlabel="epoch", ylabel="loss", ylim=0)
axes.legend()
plt.show()

# %%
results.figures["incidence"]

# %% [markdown]
# ## The comparison in numbers
#
# The difference of the mean onsets with its 95 % interval, in epochs and in pairs of equal seeds.
# Negative is earlier than the baseline.

# %%
comparison = results.summary["comparisons"]["he"]
difference = comparison["difference"]
print(f"{comparison['num_pairs']} pairs, p = {comparison['p_adjusted']:.2g}")
print(f"{difference['value']:.1f} epochs ({difference['lower']:.1f} to {difference['upper']:.1f})")

# %% [markdown]
# So the plateau is the start's: it ends by itself on every seed, and with He initialisation it is
# all but gone. A mistake in the data or in the training code would not go away with that.
#
# ## Later
#
# `engine.open` opens a study that has run, or still runs, without running anything, and `report`
# writes the page with everything that can be said about it.

# %%
results = engine.open("runs/flat")
results.report()
