# ---
# jupyter:
#   effml_lab: {title: Practice, minutes: {reading: 1, coding: 1}}
# ---

# %% [markdown]
# # Practice
#
# A lab that is graded in the tests alone: exercises of every kind, so that all that can happen to a lab on its way
# through nbgrader can happen to this one, in seconds.

# %%
from practice import nn, torch

# %%
def double(x):
    """Twice x, (N, D)."""
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION


# %%
check("00-double", double, points=3)

# %%
with figure("a straight line through the origin with a slope of two") as ax:
    ax.plot([-1, 1], double(torch.tensor([-1.0, 1.0])))

# %%
def centre(x):
    """x, (N, D), without the mean of each column."""
    ### BEGIN SOLUTION
    return x - x.mean(0, keepdim=True)
    ### END SOLUTION


# %%
check("00-centre", centre, points=2)

# %%
guess = ...
### BEGIN SOLUTION
guess = -1.0
### END SOLUTION

# %%
check("00-guess-sign", guess, points=1)

# %%
class Affine(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, 2)

    def forward(self, x):
        ### BEGIN SOLUTION
        return self.linear(x)
        ### END SOLUTION


# %%
check("00-affine", Affine, points=2)

# %%
def once(fn, clock):
    """The seconds of one call of fn()."""
    ### BEGIN SOLUTION
    begin = clock()
    fn()
    return clock() - begin
    ### END SOLUTION


# %%
check("00-once", once, points=1.5)

# %%
def clip(x):
    """x with nothing above one."""
    ### BEGIN SOLUTION
    return torch.minimum(x, torch.ones_like(x))
    ### END SOLUTION


# %%
check("00-clip", clip, points=2)

# %%
pi = ...
### BEGIN SOLUTION
pi = 3.14
### END SOLUTION

# %%
check("00-read-pi", pi, points=1)

# %%
def mean(fn, clock):
    """The mean seconds of three calls of fn()."""
    ### BEGIN SOLUTION
    spent = 0.0
    for _ in range(3):
        spent += once(fn, clock)
    return spent / 3
    ### END SOLUTION


# %%
check("00-mean", mean, points=1.5)

# %% [markdown] written="00-why" points=4
# Why does practice help?
#
# ### BEGIN SOLUTION
# Because what was done once is easier to do again.
#
# ### BEGIN MARK SCHEME
# Two points for each reason.
# ### END MARK SCHEME
# ### END SOLUTION

# %%
summary()
