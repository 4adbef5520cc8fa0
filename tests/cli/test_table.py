"""physgen table and physgen export on a finished run."""

from physgen.cli import main


def test_columns_of_a_run(finished, capsys):
    assert main(["table", str(finished), "--columns", "estimate", "--latex"]) == 0
    text = capsys.readouterr().out
    assert text.count(r"\begin{table}") >= 1
    assert r"\num{" in text
    assert main(["table", str(finished)]) == 0
    assert "F_c" in capsys.readouterr().out
    assert main(["table", str(finished), "--columns", "nothing"]) == 2
    assert "must begin with one of the heads" in capsys.readouterr().err


def test_numbers_of_a_run(finished, capsys, tmp_path):
    assert main(["export", str(finished), "--csv", str(tmp_path / "out")]) == 0
    files = list((tmp_path / "out").rglob("*.csv"))
    assert f"{len(files)} files in" in capsys.readouterr().out
    assert any("validation" in path.name for path in files)
    assert not any("model" in path.name for path in files)
