# %% [markdown]
# # A notebook
#
# This page is a notebook: `examples/notebook.py`, in the percent format that Jupyter (with
# Jupytext), VS Code and Spyder open as cells. `scripts/notebook_page.py` runs it and writes this
# page with what it shows. The images are drawn by the package; it takes some seconds.

# %% [markdown]
# ## Images in memory
#
# Two slices of each of 60 invented patients. Half of the patients are used to train; the
# "generator" repeats eight of their images with a little noise, and mixes images of strangers.

# %%
import numpy as np

import vestige
from vestige.worlds.phantom import chest_phantoms

rng = np.random.default_rng(0)
images, patients = chest_phantoms(120, size=32, seed=0, slices_per_patient=2)
used, unused = images[:60], images[60:]

strangers, _ = chest_phantoms(80, size=32, seed=1)
mixes = 0.5 * strangers[:40] + 0.5 * strangers[40:]
copies = np.clip(used[:8] + rng.normal(0, 0.02, used[:8].shape), 0, 1)
generated = np.concatenate([copies, mixes])
generated.shape, used.shape, unused.shape

# %% [markdown]
# ## Ask
#
# The groups are the patients, one for each real image. A tensor of torch, a list of Pillow images
# or a data loader would do as well as an array ([Images in memory](python.md)).

# %%
quick = vestige.AuditOptions(effort="low", checks=False)
result = vestige.audit(
    generated,
    used,
    unused,
    groups={"used": patients[:60], "unused": patients[60:]},
    options=quick,
)
repr(result)

# %% [markdown]
# The last line of a cell shows the result as a card: the decision, three numbers, the nearest
# pairs.

# %%
result

# %% [markdown]
# The checks are switched off to be quick; an audit that opens a gate needs them.
# `result.save("audit/")` writes the whole report.

# %% [markdown]
# ## Look closer
#
# Each real image has a finding. Of those that were copied:

# %%
found = [finding for finding in result.findings if finding.copied]
[(finding.id, finding.group, round(finding.similarity or 0, 2)) for finding in found]

# %% [markdown]
# With pandas, `result.to_frame()` gives the whole table, the columns of findings.csv. With
# matplotlib, `result.plot("scores")`, `result.plot("roc")` and `result.plot("pairs")` draw it.

# %% [markdown]
# ## Withhold what gives training images away
#
# The same images without the copies:

# %%
keep = np.setdiff1d(np.arange(len(generated)), [int(copy.generated) for copy in result.copies])
again = vestige.audit(
    generated[keep],
    used,
    unused,
    groups={"used": patients[:60], "unused": patients[60:]},
    options=quick,
)
repr(again)

# %% [markdown]
# `vestige.scrub` does this with all checks, and audits the rest ([Releasing a set](release.md)).
