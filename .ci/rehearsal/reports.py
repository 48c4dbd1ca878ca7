"""Reports as their readers see them: parsed, and held to what the readers ask for."""

import xml.etree.ElementTree as ElementTree

from world import Failed


def results(log: dict) -> list[dict]:
    """The results of a SARIF log, which is held to what uploads ask for."""
    if log["version"] != "2.1.0" or len(log["runs"]) != 1:
        raise Failed("no SARIF 2.1.0 with one run")
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        if rules[result["ruleIndex"]]["id"] != result["ruleId"] or not result["message"]["text"]:
            raise Failed(f"a result without its rule or without words: {result}")
        place = result["locations"][0]["physicalLocation"]
        uri = place["artifactLocation"]["uri"]
        if uri.startswith("/") or ".." in uri or place["region"]["startLine"] < 1:
            raise Failed(f"not a place in the repository: {place}")
        if not result["partialFingerprints"]:
            raise Failed("a result that no later upload knows again")
    return run["results"]


def cases(text: str) -> dict[str, str]:
    """The test cases of a JUnit report, by suite, class and name, and how each ended."""
    root = ElementTree.fromstring(text)
    found = {}
    for suite in root.iter("testsuite"):
        inside = list(suite.iter("testcase"))
        if int(suite.get("tests")) != len(inside):
            raise Failed("the suite counts other cases than it has")
        for case in inside:
            ends = [part.tag for part in case if part.tag in ("failure", "error", "skipped")]
            name = f"{suite.get('name')}/{case.get('classname')}/{case.get('name')}"
            found[name] = ends[0] if ends else "passed"
    if not found:
        raise Failed("a JUnit report without cases")
    return found
