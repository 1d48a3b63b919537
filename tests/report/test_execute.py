"""An executed notebook counts only when every cell was run, and holds nothing that differs between equal runs."""

import pickle

import nbformat
import pytest

from alliance_analysis.report.execute import NotebookError, check_complete, clean_notebook, place


def notebook(**changed):
    cell = {"execution_count": 1, "outputs": [], "source": "x = 1", "metadata": {}} | changed
    return nbformat.from_dict(
        {"cells": [{"cell_type": "markdown", "id": "a", "source": "# T\n\n## Model", "metadata": {}},
                   {"cell_type": "code", "id": "b", **cell}],
         "metadata": {"papermill": {"input_path": "/home/somebody/x.ipynb"}}, "nbformat": 4, "nbformat_minor": 5}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"execution_count": None}, "in section 'Model', code cell 1: never run, an earlier cell ended the notebook"),
        ({"outputs": [{"output_type": "error"}]}, "in section 'Model', code cell 1: ended the notebook early"),
    ],
)
def test_an_incomplete_notebook_is_a_failure(changed, message):
    with pytest.raises(NotebookError) as failure:
        check_complete(notebook(**changed))
    assert failure.value.line == message


def test_a_place_counts_the_code_cells_of_the_users_notebook_and_names_the_last_section():
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    cells = [
        text("# Title"),
        code("seed = 1", metadata={"tags": ["parameters"]}),
        code("seed = 2", metadata={"tags": ["injected-parameters"]}),
        text("## Describe"),
        code("x"),
        text("```\n## no heading\n```\n### nor this"),
        code("y"),
        text("## Model"),
        code("z"),
    ]
    assert place(cells, 1) == "before the first section, code cell 1"
    assert place(cells, 6) == "in section 'Describe', code cell 3"
    assert place(cells, 8) == "in section 'Model', code cell 4"


def test_an_empty_cell_needs_no_run():
    assert check_complete(notebook(execution_count=None, source=" ")) is None


def test_times_ids_paths_streams_and_addresses_are_dropped():
    outputs = [
        {"output_type": "stream", "name": "stderr", "text": "/home/somebody/lib.py: warning"},
        {"output_type": "display_data", "metadata": {"id": "random"}, "data": {"text/plain": "<Axes at 0x7f12ab>"}},
    ]
    clean = clean_notebook(
        notebook(metadata={"papermill": {"duration": 1}, "tags": ["parameters", "x"]}, outputs=outputs)
    )
    nbformat.validate(clean)
    code = clean.cells[1]
    assert (code.id, code.metadata) == ("cell-02", {"tags": ["parameters"]})
    assert code.outputs == [{"output_type": "display_data", "metadata": {}, "data": {"text/plain": "<Axes>"}}]
    assert clean.metadata == {
        "kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }


def test_a_failure_crosses_the_border_of_a_process_whole():
    failure = pickle.loads(pickle.dumps(NotebookError("line", "logged", "details")))
    assert (failure.line, failure.logged, failure.details) == ("line", "logged", "details")
