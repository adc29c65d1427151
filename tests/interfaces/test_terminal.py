import json

from hyoid.interfaces.terminal import Terminal


def test_brackets_are_text_and_control_characters_do_nothing(capsys):
    terminal = Terminal(as_json=False)
    for speak in (terminal.say, terminal.note):
        speak("AX NECK [/5mm] recon [bold]x[/] hyoid[serve]")
    terminal.refuse("Refused:", "No [/series] here.", "pip install 'hyoid[serve]'")
    terminal.say("a\x1b]0;title\x07b\u202ec")
    err = capsys.readouterr().err
    assert err.count("AX NECK [/5mm] recon [bold]x[/] hyoid[serve]") == 2
    assert "No [/series] here." in err and "pip install 'hyoid[serve]'" in err
    assert not {"\x1b", "\x07", "\u202e"} & set(err)


def test_a_bar_with_brackets_in_its_words(capsys):
    terminal = Terminal(as_json=False)
    with terminal.bars():
        terminal.progress("file [/x]", 1, 2, "[/y]")
    assert "[/y]" in capsys.readouterr().err


def test_json_says_nothing_on_standard_error(capsys):
    terminal = Terminal(as_json=True)
    with terminal.bars():
        terminal.progress("organs", 1, 2, "[/]")
    terminal.say("x")
    terminal.note("y")
    terminal.event("done", text="[/red]\x1b")
    out, err = capsys.readouterr()
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["progress", "done"]
    assert err == "" and "\x1b" not in out


def test_clocks_start_over():
    terminal = Terminal(as_json=True)
    terminal.progress("read", 0, 1)
    terminal.start_over()
    assert terminal.seconds == {}
