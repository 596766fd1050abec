"""The LSTM of the course: gates, the cell's two outputs, and what is carried back through time."""

from collections.abc import Iterator

from .mutant import Mutant, mutant

PROGRAM = "lstm"
THROUGH_A = "ot * (1 - np.square(np.tanh(c_next)))"
CARRIED = "da_next|da_prev|da0"
CELL = "dc_next|dc_prev"


def lstm() -> Iterator[Mutant]:
    """lstm_cell_backward and lstm_backward."""
    yield from _gates()
    yield from _states()
    yield from _weights()
    yield from _time()


def _gates() -> Iterator[Mutant]:
    right = {
        gate: f"    d{gate} = (dc_next * {factor} + {THROUGH_A} * {factor} * da_next) * {slope}\n"
        for gate, factor, slope in (
            ("cct", "it", "(1 - np.square(cct))"),
            ("it", "cct", "it * (1 - it)"),
            ("ft", "c_prev", "ft * (1 - ft)"),
        )
    }
    for gate, wrong in (("cct", "(1 - np.square(it))"), ("it", "ft * (1 - ft)"), ("ft", "it * (1 - it)")):
        line = right[gate]
        slope = line[line.index("da_next) * ") + len("da_next) * ") : -1]
        for quantity, cause, new in (
            # Without it, it is the gradient of the gate itself: wrong is what is made of it.
            (f"d{gate}|dxt", "derivative_missing", line.replace(f" * {slope}", "")),
            (f"d{gate}", "other_gate", line.replace(slope, wrong)),
            (f"d{gate}", "carry_dropped", line.replace("dc_next * ", "0 * dc_next * ")),
            (f"d{gate}", "cell_output_missing", line.replace(f" + {THROUGH_A}", " + 0 * ot")),
            (f"d{gate}", "cell_factor_missing", line.replace("ot * (1 -", "(1 -")),
            (f"d{gate}", "cell_factor_missing", line.replace(THROUGH_A, "ot")),
        ):
            yield mutant(PROGRAM, quantity, cause, line, new)
    for gate in ("it", "ft"):
        line = right[gate]
        yield mutant(PROGRAM, f"d{gate}", "gate_derivative", line, line.replace(f"{gate} * (1 - {gate})", gate))
        yield mutant(
            PROGRAM, f"d{gate}", "other_activation", line, line.replace(f"{gate} * (1 - {gate})", f"(1 - {gate}**2)")
        )
    line = right["cct"]
    yield mutant(PROGRAM, "dcct", "other_activation", line, line.replace("(1 - np.square(cct))", "cct * (1 - cct)"))
    yield mutant(PROGRAM, "dcct", "wrong_operand", line, line.replace("dc_next * it", "dc_next * ft"))
    line = right["ft"]
    yield mutant(PROGRAM, "dft", "wrong_operand", line, line.replace("c_prev", "c_next"))
    dot = "    dot = da_next * np.tanh(c_next) * ot * (1 - ot)\n"
    for cause, new in (
        ("derivative_missing", "    dot = da_next * np.tanh(c_next)\n"),
        ("gate_derivative", "    dot = da_next * np.tanh(c_next) * ot\n"),
        ("wrong_operand", "    dot = da_next * c_next * ot * (1 - ot)\n"),
        ("other_gate", "    dot = da_next * np.tanh(c_next) * it * (1 - it)\n"),
        ("other_activation", "    dot = da_next * np.tanh(c_next) * (1 - ot**2)\n"),
        ("sign_flipped|operand_sign", "    dot = -da_next * np.tanh(c_next) * ot * (1 - ot)\n"),
    ):
        yield mutant(PROGRAM, "dot|dxt" if cause == "derivative_missing" else "dot", cause, dot, new)


def _states() -> Iterator[Mutant]:
    line = f"    dc_prev = dc_next * ft + {THROUGH_A} * ft * da_next\n"
    for cause, new in (
        ("carry_dropped", f"    dc_prev = {THROUGH_A} * ft * da_next\n"),
        ("cell_output_missing", "    dc_prev = dc_next * ft\n"),
        ("cell_factor_missing", "    dc_prev = dc_next * ft + (1 - np.square(np.tanh(c_next))) * ft * da_next\n"),
        ("cell_factor_missing", "    dc_prev = dc_next * ft + ot * ft * da_next\n"),
        ("wrong_operand", f"    dc_prev = dc_next * it + {THROUGH_A} * it * da_next\n"),
    ):
        yield mutant(PROGRAM, CELL, cause, line, new)
    for gate, own in (("f", "dft"), ("i", "dit"), ("c", "dcct"), ("o", "dot")):
        for quantity, rows in ((CARRIED, ":n_a"), ("dxt|dx", "n_a:")):
            term = f"np.dot(W{gate}[:, {rows}].T, {own})\n"
            more = (f"        {'' if gate == 'f' else '+ '}{term}",)
            new = f"        0 * {term}" if gate == "f" else ""
            yield mutant(PROGRAM, quantity, "assigned_not_accumulated", more[0], new)
    term = "        + np.dot(Wi[:, :n_a].T, dit)\n"
    yield mutant(PROGRAM, CARRIED, "wrong_operand", term, term.replace("dit", "dft"))
    yield mutant(PROGRAM, CARRIED, "wrong_operand", term, term.replace("Wi", "Wf"))
    yield mutant(PROGRAM, CARRIED, "operand_sign", term, term.replace("+", "-"))


def _weights() -> Iterator[Mutant]:
    for quantity, cause, old, new in (
        ("dWf", "wrong_operand", "dWf = np.dot(dft, concat.T)", "dWf = np.dot(dit, concat.T)"),
        ("dWo", "wrong_operand", "dWo = np.dot(dot, concat.T)", "dWo = np.dot(dcct, concat.T)"),
        ("dWi", "one_over_m_twice|divided_by_other", "dWi = np.dot(dit, concat.T)", "dWi = np.dot(dit, concat.T) / m"),
        ("dWc", "A_for_A_prev", "dWc = np.dot(dcct, concat.T)", "dWc = np.dot(dcct, np.vstack((a_next, xt)).T)"),
        ("dWf", "A_for_A_prev", "concat = np.concatenate((a_prev, xt), axis=0)\n    dWf",
         "concat = np.concatenate((a_next, xt), axis=0)\n    dWf"),
        ("dbf", "wrong_operand", "dbf = np.sum(dft,", "dbf = np.sum(dit,"),
        ("dbi", "db_no_axis", "dbi = np.sum(dit, axis=1, keepdims=True)", "dbi = np.sum(dit)"),
    ):  # fmt: skip
        yield mutant(PROGRAM, quantity, cause, old, new)


def _time() -> Iterator[Mutant]:
    call = "lstm_cell_backward(da[:, :, t] + da_prevt, dc_prevt, caches[t])"
    everything = f"dot|dcct|dit|dft|dxt|dx|dWf|dWi|dWc|dWo|dbf|dbi|dbc|dbo|{CARRIED}|{CELL}"
    for quantity, cause, new in (
        (everything, "wrong_time", call.replace("caches[t]", "caches[t - 1]")),
        (everything, "wrong_time", call.replace("caches[t]", "caches[0]")),
        (everything, "carry_dropped", call.replace(" + da_prevt", "")),
        (everything, "assigned_not_accumulated|carry_dropped", call.replace("da[:, :, t] + ", "")),
        (everything, "carry_dropped", call.replace("dc_prevt,", "0 * dc_prevt,")),
    ):
        yield mutant(PROGRAM, quantity, cause, call, new)
    for name in ("dWf", "dWo", "dbc"):
        yield mutant(
            PROGRAM, name, "assigned_not_accumulated", f'{name} += gradients["{name}"]', f'{name} = gradients["{name}"]'
        )
    carried = 'dc_prevt = gradients["dc_prev"]'
    yield mutant(PROGRAM, everything, "gradients_not_zeroed", carried, carried.replace("=", "+="))
    yield mutant(PROGRAM, everything, "truncated", "in reversed(range(T_x)):", "in reversed(range(1, T_x)):")
