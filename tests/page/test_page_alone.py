"""The page over answers we give it, for the states that are hard to provoke in a pipeline."""

import re
import threading
import time
from datetime import datetime, timedelta
from unittest.mock import ANY
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from chalicelib.errors import BadRequest, Conflict, NotFound
from tests.support.durations import DURATIONS
from tests.support.page import canned
from tests.support.page import visits as looking

STATES = {
    "busy": canned.status,
    "empty": canned.empty,
    "failing": canned.failing,
    "broken": canned.broken,
    "paused": lambda: canned.status(schedule={"paused": True}),
}


@pytest.fixture
def visits(stand_in, visits):
    """Pages close before the server does."""
    return visits


def opened(visits, stand_in, status=canned.status, **how):
    stand_in.answers["GET status"] = status
    visit = visits(stand_in.url, **how)
    expect(visit.page.locator("#fresh")).to_contain_text("Updated")
    return visit


def test_it_says_at_a_glance_whether_it_keeps_up(visits, stand_in):
    page = opened(visits, stand_in).page
    expect(page.locator("#headline")).to_have_text("Keeping up: backlog gone in about 3 min")
    expect(page.locator("#stage")).to_have_text("prod")
    picture = page.locator("#picture")
    for number in ("2,360", "184", "60 in flight", "oldest 2 min 10 s", "41.5", "≤ 1,000", "49,400"):
        expect(picture).to_contain_text(number)


def verdict(page, status):
    script = 'async status => (await import("/web/verdict.js")).verdict(status)'
    return page.evaluate(script, status)


def test_one_sentence_for_every_state(visits, stand_in):
    page = opened(visits, stand_in).page
    never = "not at this capacity: 1,840 arrive a minute and 1,000 leave"
    slow = {"drain": {"minutes": None, "says": never}}
    again = "gone in about 1 h 39 min, unless a burst comes again like the one of the last quarter of an hour"
    burst = {"drain": {"minutes": 99, "says": again}, "arrivals_per_minute": 6667.0}
    soon = datetime.now().astimezone() + timedelta(days=2)
    lost = {
        "queue": "bulk",
        "kept_days": 14,
        "lost_from": soon.isoformat(),
        "needed": 1650,
        "says": "events older than 14 days will be lost",
    }
    loses = {"drain": {"minutes": 30_000, "says": "gone in about 20 d 20 h", "expires": lost}}
    held = {"drain": {**loses["drain"], "expires": {**lost, "lost_from": None, "needed": None}}}
    red = "Events older than 14 days will be lost"
    full = "not now: the destination is full, and nothing leaves"
    stuck = {"drain": {"minutes": None, "says": full}}
    cases = [
        (canned.status(), "ok", "Keeping up: backlog gone in about 3 min"),
        (canned.empty(), "ok", "All quiet: nothing waits"),
        (canned.status(**slow), "bad", "Falling behind: 1,840 arrive a minute and 1,000 leave"),
        (canned.status(**burst), "ok", f"Keeping up: backlog {again}"),
        (canned.status(**stuck), "warn", f"2,500 waiting: {full}"),
        (canned.status(**loses), "bad", f"{red} from {soon:%A %H:%M}; at least 1,650 a minute are needed"),
        (canned.status(**held), "bad", f"{red}; nothing leaves"),
        (
            canned.status(**held, schedule={"paused": True}),
            "bad",
            f"{red}; the stage is paused",
        ),
        (canned.status(schedule={"paused": True}), "paused", "Paused: 2,500 waiting, nothing is forwarded"),
        (canned.broken(), "unknown", "Not known: the source queue does not answer"),
        (canned.status(last_tick=None), "warn", "Keeping up: backlog gone in about 3 min"),
    ]
    for status, state, headline in cases:
        found = verdict(page, status)
        assert (found["state"], found["headline"]) == (state, headline)


def test_durations_read_as_the_api_writes_them(visits, stand_in):
    page = opened(visits, stand_in).page
    script = 'async all => { const { duration } = await import("/web/format.js"); return all.map(duration); }'
    assert page.evaluate(script, [seconds for seconds, _ in DURATIONS]) == [text for _, text in DURATIONS]


def test_both_lanes_count_and_are_in_the_picture(visits, stand_in):
    page = opened(visits, stand_in).page
    picture = page.locator("#picture")
    for number in ("Live lane", "140", "Bulk lane", "2,360", "oldest 2 min 10 s"):
        expect(picture).to_contain_text(number)
    queues = canned.status()["queues"]
    bulk = canned.status(queues={**queues, "source": canned.queue()})
    assert verdict(page, bulk)["headline"] == "Keeping up: backlog gone in about 3 min"
    gone = canned.status(queues={**queues, "bulk": {"error": "no"}})
    assert verdict(page, gone)["headline"] == "Not known: the bulk queue does not answer"
    one = canned.status(queues={**queues, "bulk": None}, schedule={"paused": True})
    assert verdict(page, one)["headline"] == "Paused: 140 waiting, nothing is forwarded"


def test_who_fills_the_queues_is_told_and_a_name_is_only_text(visits, stand_in):
    page = opened(visits, stand_in).page
    expect(page.locator("#groups-since")).to_contain_text("of the last 1,000 uploads, since")
    expect(page.locator("#groups-list li")).to_have_text(
        ["acme/ 87.1%", f"{canned.HOSTILE}/ 6.6%", "in no folder 2.1%"]
    )
    stand_in.answers["GET status"] = lambda: canned.status(groups=None)
    page.reload()
    expect(page.locator("#fresh")).to_contain_text("Updated")
    expect(page.locator("#groups")).to_be_hidden()


def test_a_downstream_that_is_left_alone_is_told_with_when_it_is_tried_again(visits, stand_in):
    page = opened(visits, stand_in).page
    until = datetime.now().astimezone() + timedelta(seconds=70)
    why = "Retry: the downstream answers 401\u202e"
    open_until = canned.status(downstream={"paused": True, "until": until.isoformat(), "why": why})
    note = verdict(page, open_until)["notes"][0]
    assert (note["state"], note["text"]) == (
        "bad",
        f"The downstream fails: paused, tried again at {until:%H:%M:%S}: Retry: the downstream answers 401\\u202e",
    )
    trying = canned.status(downstream={"paused": True, "until": None, "why": None})
    assert verdict(page, trying)["notes"][0]["text"] == "The downstream fails: paused, tried again now"


def test_the_capacity_is_a_line_among_the_throughput(visits, stand_in):
    page = opened(visits, stand_in).page
    expect(page.locator("#plot-throughput .legend")).to_contain_text("capacity 1,000")
    expect(page.locator("#plot-throughput .plot path.line.s7")).to_have_count(1)
    expect(page.locator("#plot-backlog .legend")).to_contain_text("bulk")


def test_dead_letters_and_failing_functions_are_said_beside_it(visits, stand_in):
    page = opened(visits, stand_in, canned.failing).page
    notes = [note["text"] for note in verdict(page, canned.failing())["notes"]]
    assert notes == [
        "17 dead letters",
        ANY,
        "The last tick stopped because of errors",
        "The last tick could not forward 12",
        "drain failed 9 times in the last hour (85% succeeded)",
        "consume failed 612 times in the last hour (88% succeeded)",
        "consume was throttled 40 times",
    ]
    assert notes[1].startswith("The downstream fails: paused, tried again at ")
    expect(page.locator("#notes li")).to_have_count(len(notes))


def test_a_dead_letter_that_is_being_filed_is_already_one(visits, stand_in):
    page = opened(visits, stand_in).page
    found = verdict(page, canned.status(dead_letters=canned.dead_letters(1, being_filed=3)))
    assert found["notes"][0]["text"] == "4 dead letters"
    assert found["headline"] == "Keeping up: backlog gone in about 3 min, but 4 dead letters"
    assert found["state"] == "warn"


def test_plots_that_have_no_numbers_yet_are_not_nameless(visits, stand_in):
    """To a screen reader, too: they are there before the first answer, and when none comes."""
    stand_in.answers["GET series"] = NotFound("not now")
    visit = opened(visits, stand_in)
    visit.tolerated = ("404 (Not Found)",)
    plot = visit.page.get_by_role("slider", name="Backlog over time")
    expect(plot).to_have_attribute("aria-valuetext", "nothing known yet")
    assert visit.accessible() == []


def test_the_numbers_change_without_a_reload(visits, stand_in):
    page = opened(visits, stand_in).page
    later = canned.status()
    later["queues"]["source"]["visible"] = 1500
    stand_in.answers["GET status"] = later
    expect(page.locator("#picture .node-source .value")).to_have_text("1,500")


def test_what_is_not_known_is_said_in_its_place_and_the_rest_lives(visits, stand_in):
    page = opened(visits, stand_in, canned.broken).page
    expect(page.locator("#picture .node-source .value")).to_have_text("?")
    expect(page.locator("#words")).to_contain_text("AccessDenied: not allowed to <b>look</b>")
    expect(page.locator("#hour-note")).to_contain_text("AccessDenied")
    expect(page.locator("#capacity-value")).to_have_text("–")
    expect(page.locator("#pause")).to_be_disabled()
    expect(page.locator("#recent li")).to_have_count(6)
    assert page.locator("#hour dd").all_inner_texts() == ["–"] * 8


def test_a_section_without_an_answer_says_why(visits, stand_in):
    refused = BadRequest("x", "AWS says AccessDenied")
    stand_in.answers |= {"GET recent": refused, "GET jobs": refused, "GET series": refused}
    visit = opened(visits, stand_in)
    visit.tolerated = ("400 (Bad Request)",)
    for section in ("#recent-note", "#jobs-note", "#history-note"):
        expect(visit.page.locator(section)).to_have_text("Not up to date: x: AWS says AccessDenied")


def test_old_numbers_never_look_new_and_their_return_is_seen(visits, stand_in):
    visit = opened(visits, stand_in)
    visit.tolerated = ("net::ERR",)
    page = visit.page
    stand_in.down = True
    expect(page.locator("#outage")).to_contain_text(
        "The API cannot be asked: no connection to it. What you see is"
    )
    expect(page.locator("#fresh")).to_contain_text("Numbers of")
    expect(page.locator("#headline")).to_have_text(re.compile("At .*: Keeping up"))
    visit.screenshot("api-down")
    assert visit.accessible() == []
    stand_in.down = False
    expect(page.locator("#outage")).to_be_hidden()
    expect(page.locator("#headline")).to_have_text("Keeping up: backlog gone in about 3 min")


def test_names_and_reasons_are_text_whatever_they_hold(visits, stand_in):
    visit = opened(visits, stand_in, canned.failing)
    page = visit.page
    expect(page.locator("#recent")).to_contain_text(canned.HOSTILE)
    expect(page.locator("#recent")).to_contain_text("photos/holiday\\u202egnp.exe")
    page.locator("#letters-box summary").click()
    expect(page.locator("#letters")).to_contain_text("<script>alert(2)</script>")
    expect(page.locator("#letters")).to_contain_text(canned.HOSTILE)
    page.locator("#recent button", has_text="onerror").click()
    expect(page.locator("dialog")).to_contain_text(canned.HOSTILE)
    assert page.locator("img[src=x], #letters script, [onerror]").count() == 0


def test_the_page_asks_the_key_as_one_part_of_the_path(visits, stand_in):
    page = opened(visits, stand_in).page
    page.fill("#find-key", "a/b ?#%.png")
    with page.expect_request("**/objects/a%2Fb%20%3F%23%25.png"):
        page.click("#find button")
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text("known from the thumbnails' metadata")
    expect(dialog).to_contain_text("of an older version")
    expect(dialog).to_contain_text("the log of that run is gone")


def test_pausing_says_what_will_happen_and_happens_only_then(visits, stand_in):
    page = opened(visits, stand_in).page
    paused = []
    stand_in.answers["GET status"] = lambda: canned.status(schedule={"paused": bool(paused)})
    stand_in.answers["POST schedule/pause"] = lambda body: paused.append(1) or {"paused": True}
    page.click("#pause")
    expect(page.locator("dialog")).to_contain_text("nothing is forwarded, until somebody resumes")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("#pause")).to_be_focused()
    assert stand_in.asked == []
    page.click("#pause")
    page.click("dialog button[type=submit]")
    expect(page.locator("#headline")).to_have_text("Paused: 2,500 waiting, nothing is forwarded")
    expect(page.locator("#toast")).to_contain_text("Paused.")
    expect(page.locator("#pause")).to_have_text("Resume")


def test_a_refusal_stays_in_the_dialog_for_another_try(visits, stand_in):
    stand_in.answers["PUT capacity"] = BadRequest("capacity", "0 is not from 1 to 1,000,000", ("a", "b"))
    visit = opened(visits, stand_in)
    visit.tolerated = ("400 (Bad Request)",)
    page = visit.page
    page.click("#capacity")
    page.fill("#capacity-field", "0")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog [role=alert]")).to_have_text("capacity: 0 is not from 1 to 1,000,000")
    assert stand_in.asked == [("PUT capacity", {"capacity": 0})]


def test_the_capacity_goes_back_to_the_deployed_one(visits, stand_in):
    stand_in.answers["PUT capacity"] = {"capacity": 1000, "capacity_deployed": 1000, "capacity_set": None}
    page = opened(visits, stand_in, lambda: canned.status(capacity=500, capacity_set=500)).page
    page.click("#capacity")
    page.fill("#capacity-field", "20")
    expect(page.locator("#capacity-effect")).to_contain_text("125 ticks, about 2 h 5 min")
    expect(page.locator("#capacity-effect")).to_contain_text("the backlog will grow")
    page.click("text=Back to deployed (1,000)")
    expect(page.locator("#toast")).to_contain_text("Capacity is 1,000 events a tick, from the next tick on;")
    assert stand_in.asked == [("PUT capacity", {"capacity": None})]


def test_dead_letters_are_counted_by_code_with_what_each_means_and_those_being_filed(visits, stand_in):
    page = opened(visits, stand_in, canned.failing).page
    expect(page.locator("#letters-note")).to_have_text("15 dead letters; 2 being filed.")
    expect(page.locator("#codes li")).to_have_count(2)
    expect(page.locator("#codes li").first).to_contain_text("11")
    expect(page.locator("#codes li").first).to_contain_text(
        "Send back? No, until somebody uploads a good one"
    )
    expect(page.locator("#picture .node-dead_letter")).to_contain_text("2 being filed")


def test_a_letter_that_was_being_filed_is_listed_when_it_is(visits, stand_in):
    """The number of all stays the same meanwhile."""
    stand_in.answers["GET dead-letters"] = lambda: {**canned.letters(0, being_filed=1), "codes": {}}
    page = opened(visits, stand_in, lambda: canned.status(dead_letters=canned.dead_letters(0, 1))).page
    expect(page.locator("#letters-note")).to_have_text("0 dead letters; 1 being filed.")
    stand_in.answers["GET dead-letters"] = lambda: canned.letters(1, being_filed=0)
    stand_in.answers["GET status"] = lambda: canned.status(dead_letters=canned.dead_letters(1, 0))
    expect(page.locator("#letters-note")).to_have_text("1 dead letter.")


def test_dead_letters_that_are_too_many_to_list_say_so(visits, stand_in):
    stand_in.answers["GET dead-letters"] = lambda: {**canned.letters(), "complete": False}
    page = opened(visits, stand_in, canned.failing).page
    expect(page.locator("#letters-note")).to_contain_text("15 dead letters or more")


def test_dead_letters_go_back_by_code_by_choice_by_prefix_or_all_after_a_question(visits, stand_in):
    stand_in.answers["POST dead-letters/redrive"] = canned.run("redrive", "asked", 0)
    page = opened(visits, stand_in, canned.failing).page
    page.locator("#codes li", has_text="too-many-pixels").get_by_role("button", name="Redrive").click()
    expect(page.locator("dialog")).to_contain_text("4 dead letters with the code too-many-pixels.")
    page.fill("#run-note", "more memory")
    page.click("dialog button[type=submit]")
    expect(page.locator("#toast")).to_have_text("The redrive has begun.")
    page.locator("#letters-box summary").click()
    page.locator("#letters input[type=checkbox]").nth(1).check()
    page.click("#redrive-all")
    expect(page.locator("dialog")).to_contain_text("1 dead letter selected.")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)
    page.fill("#letters-prefix", "photos/")
    with page.expect_response("**/dead-letters?prefix=photos%2F&limit=20"):
        page.click("#letters-filter button")
    page.click("#redrive-all")
    expect(page.locator("dialog")).to_contain_text("whose keys begin with photos/")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)
    page.fill("#letters-prefix", "")
    page.click("#letters-filter button")
    expect(page.locator("#redrive-all")).to_have_text("Redrive all")
    page.click("#redrive-all")
    expect(page.locator("dialog")).to_contain_text("All dead letters (15).")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)
    call, second = "POST dead-letters/redrive", canned.letters()["letters"][1]["id"]
    assert stand_in.asked == [
        (call, {"code": "too-many-pixels", "note": "more memory"}),
        (call, {"ids": [second]}),
        (call, {"prefix": "photos/"}),
        (call, {"all": True}),
    ]


def test_a_discard_says_that_it_is_for_good(visits, stand_in):
    stand_in.answers["POST dead-letters/discard"] = canned.run("discard", "asked", 0)
    page = opened(visits, stand_in, canned.failing).page
    page.locator("#letters-box summary").click()
    with page.expect_response("**/dead-letters?code=not-an-image&limit=20"):
        page.locator("#codes button", has_text="not-an-image").click()
    page.click("#discard-all")
    expect(page.locator("dialog")).to_contain_text("They are deleted for good")
    page.click("dialog button[type=submit]")
    expect(page.locator("#toast")).to_have_text("The discard has begun.")
    assert stand_in.asked == [("POST dead-letters/discard", {"code": "not-an-image"})]


def test_how_far_a_redrive_is_and_who_asked_for_it_is_shown(visits, stand_in):
    stand_in.answers["GET dead-letters/redrive"] = lambda: {"runs": [canned.run()]}
    page = opened(visits, stand_in, canned.failing).page
    runs = page.locator("#redrives")
    expect(runs).to_contain_text("redrive running: 10 of 100")
    expect(runs).to_contain_text("user/<b>alice</b>: S3 is back")
    stand_in.answers["GET dead-letters/redrive"] = {
        "runs": [
            {**canned.run(status="stopped"), "says": "10 are in the source queue; 90 are left; ask again"}
        ]
    }
    expect(runs).to_contain_text("90 are left; ask again")


def test_a_letter_is_shown_whole_and_more_of_them_page_by_page(visits, stand_in):
    one = canned.letters()["letters"][0]
    stand_in.answers[f"GET dead-letters/{quote(one['id'], safe='~')}"] = canned.letter
    page = opened(visits, stand_in, canned.failing).page
    page.locator("#letters-box summary").click()
    page.locator("#letters button", has_text="whole letter").first.click()
    expect(page.locator("dialog pre")).to_have_text('{"Bucket": "images", "Key": "<i>a</i>"}')
    expect(page.locator("dialog a[download]")).to_have_attribute(
        "href", re.compile("dead-letters/not-an-image~")
    )
    page.keyboard.press("Escape")
    with page.expect_response("**/dead-letters?limit=40"):
        page.click("#letters-more")


def test_a_job_is_checked_with_its_cost_then_created_run_and_read(visits, stand_in):
    made = []

    def post(body):
        if body.get("check"):
            return {"id": None, "status": "checked", "objects": 1200, "estimated_cost_usd": 0.31}
        made.append(canned.job(7, "waiting to be run", 0, 0))
        return {"id": made[0]["id"], "status": "waiting to be run"}

    def run(body):
        made[0] |= {"outcome": "partly failed", "succeeded": 1189, "failed": 11, "ended": canned.at()}
        return {"id": made[0]["id"], "status": "Ready"}

    job = f"jobs/{canned.job(7, '', 0, 0)['id']}"
    stand_in.answers["GET jobs"] = lambda: {"jobs": made, "total": len(made)}
    stand_in.answers |= {"POST jobs": post, f"POST {job}/run": run, f"GET {job}/report": canned.report}
    page = opened(visits, stand_in).page
    page.click("#new-job")
    page.select_option("#job-kind", "tag")
    page.fill("#job-prefix", "photos/")
    page.fill("#job-tag-key", "phototype")
    page.fill("#job-tag-value", "finished")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog .found")).to_contain_text("1,200 objects; estimated cost: about $0.31")
    page.fill("#job-prefix", "photos/2026/")  # another request: its cost is not known yet
    expect(page.locator("dialog button[type=submit]")).to_have_text("Check, and see the cost")
    page.click("dialog button[type=submit]")
    page.locator("dialog button[type=submit]", has_text="Create the job").click()
    row = page.locator("#jobs li")
    row.get_by_role("button", name="Run").click()
    page.click("dialog button[type=submit]")
    expect(row).to_contain_text("partly failed")
    row.get_by_role("button", name="Report").click()
    expect(page.locator("dialog .totals")).to_have_text("partly failed: 1,189 of 1,200 succeeded, 11 failed")
    expect(page.locator("dialog tbody tr").first).to_contain_text("AccessDenied: Access <i>denied</i>")
    create = stand_in.asked[2][1]
    assert create.pop("token")
    assert create == {
        "kind": "tag",
        "manifest": {"list": {"prefix": "photos/2026/", "suffix": ""}},
        "tags": {"phototype": "finished"},
        "mode": "merge",
        "keep_old_tags": True,
        "description": "Tag phototype=finished on photos/2026/*",
    }


def test_a_job_that_ended_meanwhile_is_not_cancelled_but_said(visits, stand_in):
    job = f"jobs/{canned.job(2, '', 0, 0)['id']}"
    stand_in.answers[f"POST {job}/cancel"] = Conflict("the job is Complete")
    visit = opened(visits, stand_in)
    visit.tolerated = ("409 (Conflict)",)
    page = visit.page
    page.locator("#jobs li", has_text="running").get_by_role("button", name="Cancel").click()
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog [role=alert]")).to_have_text("the job is Complete")


def test_only_what_changes_the_judgement_is_read_aloud(visits, stand_in):
    page = opened(visits, stand_in).page
    said = page.locator("#announce")
    expect(said).to_have_text("Keeping up: backlog gone in about 3 min")
    later = {"drain": {"minutes": 2, "says": "gone in about 2 minutes"}}
    stand_in.answers["GET status"] = lambda: canned.status(**later)
    expect(page.locator("#headline")).to_contain_text("2 minutes")
    expect(said).to_have_text("Keeping up: backlog gone in about 3 min")
    stand_in.answers["GET status"] = canned.failing
    expect(said).to_contain_text("Falling behind")


def test_a_plot_is_read_with_the_arrow_keys_and_as_a_table(visits, stand_in):
    page = opened(visits, stand_in).page
    plot = page.get_by_role("slider", name="Backlog over time")
    expect(plot).to_have_attribute("aria-valuemax", "179")
    plot.focus()
    page.keyboard.press("Home")
    for _ in range(8):
        page.keyboard.press("PageDown")
    told = plot.get_attribute("aria-valuetext")
    assert "live not known" in told  # minute 80 is in the gap
    page.locator("#plot-backlog summary").click()
    expect(page.locator("#plot-backlog tbody tr")).to_have_count(180)
    assert page.locator("#plot-backlog .plot .line.s1.area").count() == 2  # nothing is drawn across the gap


def test_the_keyboard_begins_with_the_way_past_the_header(visits, stand_in):
    page = opened(visits, stand_in).page
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_a_chosen_theme_is_kept(visits, stand_in):
    page = opened(visits, stand_in).page
    page.click("#theme")
    page.click("#theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("#theme-name")).to_have_text("Dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 19, 24)"


def test_no_question_is_asked_twice_at_once(visits, stand_in):
    lock, open_now, most = threading.Lock(), [0], [0]

    def slow():
        with lock:
            open_now[0] += 1
            most[0] = max(most[0], open_now[0])
        time.sleep(0.5)
        with lock:
            open_now[0] -= 1
        return canned.status()

    page = opened(visits, stand_in, slow).page
    for _ in range(5):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # each asks at once
    with page.expect_response("**/status"):
        pass
    with page.expect_response("**/status"):
        pass
    assert most[0] == 1


def test_a_hidden_tab_asks_nothing_and_asks_at_once_when_seen_again(visits, stand_in):
    visit = opened(visits, stand_in, clock=True)
    page = visit.page
    expect(page.locator("#jobs li")).to_have_count(4)
    expect(page.locator("#plan-section")).to_be_visible()
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange')) }"
    page.wait_for_load_state("networkidle")
    page.evaluate(hide, True)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(300_000)
    assert asked == []
    with page.expect_request("**/status"):
        page.evaluate(hide, False)


def test_it_asks_ever_more_slowly_while_it_gets_no_answer(visits, stand_in):
    page = opened(visits, stand_in, clock=True).page
    page.evaluate(
        """async () => {
            const { Poll } = await import("/web/poll.js");
            window.asked = 0;
            window.answers = false;
            const ask = async () => { window.asked += 1; if (!window.answers) throw new Error("none"); };
            window.poll = new Poll(ask, () => 1000);
            await window.poll.now();
        }"""
    )
    page.clock.run_for(60_000)
    failing = page.evaluate("window.asked")
    assert 3 <= failing <= 12  # after 1, 2, 4, 8 ... seconds, a fifth more or less
    page.evaluate("window.answers = true; window.poll.now()")
    page.clock.run_for(60_000)
    assert page.evaluate("window.asked") - failing >= 55  # and at its old pace again


def test_without_a_chromium_ci_fails_and_others_are_told(monkeypatch):
    monkeypatch.setattr(looking.shutil, "which", lambda name: None)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Chromium here: `apt-get install chromium`"):
        looking.find_chromium()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no Chromium here"):
        looking.find_chromium()


def test_what_if_is_asked_with_what_the_form_says(visits, stand_in):
    page = opened(visits, stand_in).page
    expect(page.locator("#plan-facts")).to_contain_text("31,200")
    quota = page.locator("#plan-quota")
    expect(quota).to_contain_text("Lambda concurrency, 43 of 1,000; met from a capacity of 41,000 on")
    page.fill("#plan-capacity", "50000")
    with page.expect_response("**/plan?objects=1000000&per=2h&size=2MB&capacity=50000"):
        page.click("#plan-form button")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_everybody_can_read_it_in_every_state(visits, stand_in, state, scheme):
    visit = opened(visits, stand_in, STATES[state], scheme=scheme)
    page = visit.page
    expect(page.locator("#jobs li")).to_have_count(4)
    expect(page.locator("#plan-section")).to_be_visible()
    visit.screenshot(f"{state}-{scheme}")
    assert visit.accessible() == []


@pytest.mark.parametrize("state", STATES)
def test_a_phone_needs_no_sideways_scrolling(visits, stand_in, state):
    visit = opened(visits, stand_in, STATES[state], width=320)
    page = visit.page
    expect(page.locator("#jobs li")).to_have_count(4)
    expect(page.locator("#plan-section")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    visit.screenshot(f"{state}-phone")
    assert visit.accessible() == []


@pytest.mark.parametrize(
    "opener", ["#pause", "#capacity", "#redrive-all", "#discard-all", "#new-job", "#recent .link"]
)
def test_every_dialog_is_accessible_and_fits_a_phone(visits, stand_in, opener):
    visit = opened(visits, stand_in, canned.failing, width=360, scheme="dark")
    visit.page.locator(opener).first.click()
    box = visit.page.locator("dialog").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert visit.accessible() == []
