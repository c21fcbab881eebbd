"""The commands of run.py, a file each, whose `main` takes what follows the command's name.

They read options, call hmjax, and say what came of it; what is trained, measured or drawn is known
elsewhere.
"""

COMMANDS = {
    "train": ("NAME [options]", "train an experiment of configs/; --help lists the options"),
    "population": ("NAME", "train many seeds of an experiment side by side"),
    "replay": ("DIR --seed K", "train one machine of a population alone"),
    "resume": ("DIR", "go on with an interrupted run or population"),
    "sample": ("DIR", "draw fantasies of a run into a file"),
    "complete": ("DIR --images FILE", "draw the pixels of images that are not known"),
    "figures": ("DIR", "draw the pictures of a finished one again"),
    "compare": ("NAME", "train the studies of a comparison, and say what they came to"),
    "results": ("", "write RESULTS.md from the comparisons that are finished"),
    "profile": ("NAME", "what a step costs in moved data; --all for every experiment"),
    "cost": ("NAME", "what each rule has to move until its machines have reached a goal"),
    "bench": ("", "time it, beside NumPy and numba"),
    "completion": ("SHELL", "print a script by which bash or zsh completes all of this"),
    "list": ("", "the experiments, comparisons and races, one line each"),
}
"""What follows each on the command line, and what it does."""


def usage() -> str:
    """What run.py says of itself."""
    lines = [f"python run.py {name} {given}".rstrip() for name, (given, _) in COMMANDS.items()]
    width = max(map(len, lines)) + 2
    whats = [what for _, what in COMMANDS.values()]
    commands = [f"{line:{width}}{what}" for line, what in zip(lines, whats, strict=True)]
    about = "Helmholtz machines from the command line; COMMAND --help lists what each takes."
    return "\n".join([about, "", *commands, "", "--version says which this is."])
