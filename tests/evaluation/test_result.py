import json
import math

from hyoid.evaluation.result import Evaluation, plain
from hyoid.evaluation.summaries import Table


def test_json_has_the_promised_keys_and_no_infinity():
    evaluation = Evaluation(
        "p", "w", (), {"GTVp.hd95_medpy_mm": math.inf}, ({"case": "a"},), (), ("n",), (Table("t", ("x",), ((1.0,),)),)
    )
    document = json.loads(json.dumps(evaluation.as_json(), allow_nan=False))
    assert {"protocol", "summary", "cases", "notes"} <= document.keys()
    assert float(document["summary"]["GTVp.hd95_medpy_mm"]) == math.inf
    assert document["cases"] == [{"case": "a"}]


def test_plain_keeps_everything_else():
    assert plain({"a": (1, None, "x", -math.inf, 0.5, True)}) == {"a": [1, None, "x", "-inf", 0.5, True]}
