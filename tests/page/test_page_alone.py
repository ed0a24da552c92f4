"""The page over answers we give it, for the states that are hard to provoke in a pipeline."""

import json
import re
import threading
import time
from pathlib import Path
from unittest.mock import ANY
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from chalicelib.errors import BadRequest, Conflict, NotFound
from tests.support.durations import DURATIONS
from tests.support.page import canned
from tests.support.page import visits as looking

FAILING = {name: part for name, part in canned.failing().items() if name != "verdict"}
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
    for number in ("2,360", "184", "60 in flight", "oldest 2 min 10 s", "415", "≤ 1,000", "49,400"):
        expect(picture).to_contain_text(number)


def test_the_lines_of_an_action_table_are_told_with_what_they_do(visits, stand_in):
    lines = [
        {"keys": "avatars/*", "action": "resize", "thumbnails": ["64", "card"]},
        {"keys": "invoices/*.pdf", "action": "index", "thumbnails": []},
        {"keys": "<b>tmp/*", "action": "ignore", "thumbnails": []},
    ]
    table = {"action": "by the action table", "lines": lines}
    words = opened(visits, stand_in, lambda: canned.status(**table)).page.locator("#words")
    for said in ("Keys avatars/*: resize 64, card.", "Keys invoices/*.pdf: index.", "Keys <b>tmp/*: ignore."):
        expect(words).to_contain_text(said)


def test_durations_read_as_the_api_writes_them(visits, stand_in):
    page = opened(visits, stand_in).page
    script = 'async all => { const { duration } = await import("/web/format.js"); return all.map(duration); }'
    assert page.evaluate(script, [seconds for seconds, _ in DURATIONS]) == [text for _, text in DURATIONS]


def test_both_lanes_are_in_the_picture(visits, stand_in):
    picture = opened(visits, stand_in).page.locator("#picture")
    for number in ("Live lane", "140", "Bulk lane", "2,360", "oldest 2 min 10 s"):
        expect(picture).to_contain_text(number)


def test_what_fails_is_said_beside_the_sentence_and_somebodys_words_are_only_text(visits, stand_in):
    why = "the downstream answers <b>401</b>\u202e"
    open_circuit = {"paused": True, "until": None, "why": why}
    page = opened(visits, stand_in, lambda: canned.status(**{**FAILING, "downstream": open_circuit})).page
    notes = page.locator("#notes li")
    expect(notes).to_have_count(7)
    expect(notes.nth(0)).to_have_text("17 dead letters: 11 not-an-image, 4 too-many-pixels, 2 being filed")
    expect(notes.nth(1)).to_contain_text("the downstream answers <b>401</b>\\u202e")
    expect(notes.nth(2)).to_contain_text("not allowed to send to the destination queue")
    notes.nth(0).locator("a").click()
    expect(page.locator("#letters")).to_be_visible()
    assert page.evaluate("location.hash") == "#/letters"


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


def test_the_capacity_is_a_line_among_the_throughput(visits, stand_in):
    page = opened(visits, stand_in).page
    expect(page.locator("#plot-throughput .legend")).to_contain_text("capacity 1,000")
    expect(page.locator("#plot-throughput .plot path.line.s7")).to_have_count(1)
    expect(page.locator("#plot-backlog .legend")).to_contain_text("bulk")


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
    page.locator("#recent a", has_text="onerror").click()
    expect(page.locator("dialog")).to_contain_text(canned.HOSTILE)
    assert page.locator("img[src=x], #letters script, [onerror]").count() == 0


def test_the_page_asks_the_key_as_one_part_of_the_path(visits, stand_in):
    page = opened(visits, stand_in).page
    page.fill("#find-key", "a/b ?#%.png")
    with page.expect_request("**/objects/a%2Fb%20%3F%23%25.png"):
        page.click("#find-one")
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
    expect(page.locator("dialog")).to_contain_text("Nothing is forwarded until somebody resumes")
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
    expect(page.locator("#capacity-effect")).to_contain_text("about 2 h 5 min")
    expect(page.locator("#capacity-effect")).to_contain_text("the backlog will grow")
    page.click("text=Back to deployed (1,000)")
    expect(page.locator("#toast")).to_contain_text(
        "Capacity is 1,000 events a minute, from the next tick on;"
    )
    assert stand_in.asked == [("PUT capacity", {"capacity": None})]


def test_dead_letters_are_counted_by_code_with_what_each_means_and_those_being_filed(visits, stand_in):
    page = opened(visits, stand_in, canned.failing).page
    expect(page.locator("#letters-note")).to_have_text("15 dead letters; 2 being filed.")
    expect(page.locator("#codes li")).to_have_count(2)
    expect(page.locator("#codes li").first).to_contain_text("11")
    expect(page.locator("#codes li").first).to_contain_text(
        "Send back? No: a good one, once it is uploaded, is handled by itself"
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
    page.fill("#note", "more memory")
    page.click("dialog button[type=submit]")
    expect(page.locator("#toast")).to_have_text("The redrive has begun.")
    page.locator("#letters-box summary").click()
    page.locator("#letters input[type=checkbox]").nth(1).check()
    expect(page.locator("#letters-chosen")).to_have_text("1 chosen")
    page.click("#redrive-all")
    expect(page.locator("dialog")).to_contain_text("1 dead letter chosen.")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)
    page.fill("#letters-text", "photos/")
    with page.expect_response("**/dead-letters?prefix=photos%2F&limit=25"):
        page.click("#letters-filter button")
    page.click("#redrive-all")
    expect(page.locator("dialog")).to_contain_text("whose keys begin with photos/")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)
    page.select_option("#letters-how", "contains")
    with page.expect_response("**/dead-letters?contains=photos%2F&limit=25"):
        page.click("#letters-filter button")
    page.click("#redrive-all")
    expect(page.locator("dialog")).to_contain_text("whose keys contain photos/")
    page.keyboard.press("Escape")
    page.click("#letters-clear")
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
    with page.expect_response("**/dead-letters?code=not-an-image&limit=25"):
        page.locator("#codes a.name", has_text="not-an-image").click()
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
    expect(runs).to_contain_text("by user/<b>alice</b>: S3 is back")
    stand_in.answers["GET dead-letters/redrive"] = {
        "runs": [{**canned.run(status="stopped"), "says": "10 sent back; 90 are left; ask again"}]
    }
    expect(runs).to_contain_text("90 are left; ask again")
    stand_in.answers["POST dead-letters/redrive"] = canned.run("redrive", "asked", 0)
    runs.get_by_role("button", name="Go on with the rest").click()
    expect(page.locator("dialog")).to_contain_text("90 dead letters that are left.")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)
    assert stand_in.asked == [("POST dead-letters/redrive", {"all": True})]


def test_a_redrive_that_runs_can_be_stopped(visits, stand_in):
    stand_in.answers["GET dead-letters/redrive"] = lambda: {"runs": [canned.run()]}
    stand_in.answers["POST dead-letters/stop"] = canned.run(status="stopped")
    page = opened(visits, stand_in, canned.failing).page
    page.locator("#redrives").get_by_role("button", name="Stop").click()
    expect(page.locator("dialog")).to_contain_text("It ends within seconds.")
    page.fill("#note", "the wrong ones")
    page.click("dialog button[type=submit]")
    expect(page.locator("#toast")).to_have_text("The redrive is stopped.")
    assert stand_in.asked == [("POST dead-letters/stop", {"note": "the wrong ones"})]


def test_a_letter_is_shown_whole_and_more_of_them_page_by_page(visits, stand_in):
    one = canned.letters()["letters"][0]
    stand_in.answers[f"GET dead-letters/{quote(one['id'], safe='~')}"] = canned.letter
    page = opened(visits, stand_in, canned.failing).page
    page.locator("#letters-box summary").click()
    page.locator("#letters a", has_text="whole letter").first.click()
    expect(page.locator("dialog pre")).to_have_text('{"Bucket": "images", "Key": "<i>a</i>"}')
    expect(page.locator("dialog a[download]")).to_have_attribute(
        "href", re.compile("dead-letters/not-an-image~")
    )
    page.keyboard.press("Escape")
    expect(page.locator("#letters-shown")).to_have_text("1 to 3 of 15, newest first")
    last = quote(canned.letters()["letters"][2]["id"]).replace("~", "%7E")
    with page.expect_response(f"**/dead-letters?after={last}&limit=25"):
        page.click("#letters-next")
    with page.expect_response("**/dead-letters?limit=25"):
        page.click("#letters-first")


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
    stand_in.answers[f"GET {job}"] = lambda: {**canned.job_details(7), **made[0]}
    page = opened(visits, stand_in).page
    page.click("#new-job")
    page.select_option("#job-kind", "tag")
    page.fill("#job-prefix", "photos/")
    page.fill("#job-tag-key", "phototype")
    page.fill("#job-tag-value", "finished")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog .found")).to_contain_text("1,200 objects; estimated cost: about $0.31")
    page.fill("#note", "for the shop")
    page.fill("#job-prefix", "photos/2026/")  # another request: its cost is not known yet
    expect(page.locator("dialog button[type=submit]")).to_have_text("Check, and see the cost")
    page.click("dialog button[type=submit]")
    page.locator("dialog button[type=submit]", has_text="Create the job").click()
    row = page.locator("#jobs li")
    row.get_by_role("button", name="Run").click()
    page.fill("#note", "now")
    page.click("dialog button[type=submit]")
    expect(row).to_contain_text("partly failed")
    row.get_by_role("button", name="Report").click()
    expect(page.locator("dialog .totals")).to_have_text("partly failed: 1,189 of 1,200 succeeded, 11 failed")
    expect(page.locator("dialog tbody tr").first).to_contain_text("AccessDenied: Access <i>denied</i>")
    assert stand_in.asked[3] == (f"POST {job}/run", {"note": "now"})
    create = stand_in.asked[2][1]
    assert create.pop("token")
    assert create == {
        "kind": "tag",
        "manifest": {"list": {"prefix": "photos/2026/", "suffix": ""}},
        "tags": {"phototype": "finished"},
        "mode": "merge",
        "keep_old_tags": True,
        "description": "Tag phototype=finished on photos/2026/*: for the shop",
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
    later = {"drain": {"minutes": 2, "says": "gone in about 2 minutes", "expires": None}}
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
    expect(quota).to_contain_text(
        "in the account and region: 43 of 1,000; a capacity of 41,000 or more would need more"
    )
    page.fill("#plan-capacity", "50000")
    with page.expect_response("**/plan?objects=1000000&per=2h&size=2MB&capacity=50000"):
        page.click("#plan-form button")


def letter_answers(stand_in):
    one = canned.letters()["letters"][0]
    stand_in.answers[f"GET dead-letters/{quote(one['id'], safe='~')}"] = canned.letter
    return one["id"]


def test_a_link_leads_straight_to_an_object_a_letter_a_job_or_some_letters(visits, stand_in):
    letter, job = letter_answers(stand_in), canned.job_details()
    stand_in.answers |= {f"GET jobs/{job['id']}": job, f"GET jobs/{job['id']}/report": canned.report}
    stand_in.answers["GET status"] = canned.failing
    for address, title, text in (
        ("#/object/photos/a%20%3F%23.jpg", "Where is it?", "photos/a ?#.jpg"),
        ("#/objects?prefix=photos%2F", "Objects by prefix", "photos/0 <i>.jpg"),
        (f"#/letter/{letter}", "Dead letter", "Send back?"),
        (f"#/job/{job['id']}", "Job", "1,189 of 1,200 succeeded"),
    ):
        page = visits(f"{stand_in.url}{address}").page
        expect(page.locator("dialog h2")).to_have_text(title)
        expect(page.locator("dialog")).to_contain_text(text)
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
        assert page.evaluate("location.hash") == ""
        expect(page.locator("#headline")).to_contain_text("Falling behind")
    page = visits(f"{stand_in.url}#/letters?code=gone&contains=2026").page
    expect(page.locator("#letters-text")).to_have_value("2026")
    expect(page.locator("#letters-how")).to_have_value("contains")
    assert ("dead-letters", ANY) in stand_in.read
    for nowhere in ("#/object/%E0%A4%A", "#/nothing/x"):
        page = visits(f"{stand_in.url}{nowhere}").page
        expect(page.locator("#fresh")).to_contain_text("Updated")
        expect(page.locator("dialog")).to_have_count(0)


def test_back_and_forward_go_through_what_was_looked_at(visits, stand_in):
    letter = letter_answers(stand_in)
    page = opened(visits, stand_in, canned.failing).page
    page.locator("#codes a.name", has_text="not-an-image").click()
    page.locator("#letters a", has_text="whole letter").first.click()
    expect(page.locator("dialog h2")).to_have_text("Dead letter")
    assert page.evaluate("location.hash") == f"#/letter/{letter}"
    page.locator("dialog .trace-key a").click()
    expect(page.locator("dialog h2")).to_have_text("Where is it?")
    page.go_back()
    expect(page.locator("dialog h2")).to_have_text("Dead letter")
    page.go_back()
    expect(page.locator("dialog")).to_have_count(0)
    assert page.evaluate("location.hash") == "#/letters?code=not-an-image"
    page.go_forward()
    expect(page.locator("dialog h2")).to_have_text("Dead letter")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.wait_for_function("location.hash === '#/letters?code=not-an-image'")
    page.go_back()
    page.wait_for_function("location.hash === ''")


def test_what_is_copied_is_the_key_itself_whatever_the_page_shows(visits, stand_in):
    key = "family \U0001f468\u200d\U0001f469\u200d\U0001f467 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645/\u202egnp.jpg"
    page = opened(visits, stand_in).page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.fill("#find-key", key)
    page.click("#find-one")
    shown = page.locator("dialog .trace-key")
    expect(shown).to_have_text(key.replace("\u202e", "\\u202e"))
    page.get_by_role("button", name="Copy the key").click()
    expect(page.locator("#toast")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.get_by_role("button", name="Copy a link to this").click()
    address = page.evaluate("navigator.clipboard.readText()")
    visit = visits(address)
    expect(visit.page.locator("dialog .trace-key")).to_have_text(key.replace("\u202e", "\\u202e"))


def test_letters_are_chosen_across_pages_and_downloaded_one_a_line(visits, stand_in):
    page = opened(visits, stand_in, canned.failing).page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#letters-box summary").click()
    listed = canned.letters()["letters"]
    with page.expect_download() as loading:
        page.click("#letters-download")
    lines = Path(loading.value.path()).read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [one["key"] for one in listed]
    page.locator("#letters input[type=checkbox]").nth(2).check()
    page.click("#letters-copy")
    expect(page.locator("#toast")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == canned.DISGUISED
    page.check("#letters-pick")
    expect(page.locator("#letters-chosen")).to_have_text("3 chosen")
    stand_in.answers["GET dead-letters"] = lambda: {**canned.letters(), "letters": [], "next": None}
    page.click("#letters-next")
    expect(page.locator("#letters-chosen")).to_have_text("3 chosen, 3 of them on other pages")
    expect(page.locator("#redrive-all")).to_have_text("Redrive 3")
    expect(page.locator("#letters-download")).to_have_text("Download 3")


def test_times_are_in_utc_where_somebody_wants_them_so_and_that_is_kept(visits, stand_in):
    page = opened(visits, stand_in).page
    page.click("#zone")
    expect(page.locator("#zone-name")).to_have_text("UTC")
    expect(page.locator("footer")).to_contain_text("Times are UTC.")
    utc = "node => node.dateTime.slice(11, 19)"
    first = page.locator("#recent time").first
    expect(first).to_have_text(first.evaluate(utc))
    page.reload()
    expect(page.locator("#zone-name")).to_have_text("UTC")
    expect(first).to_have_text(first.evaluate(utc))
    page.click("#zone")
    expect(page.locator("footer")).to_contain_text("Times are this machine's.")


def test_an_age_grows_without_a_new_answer(visits, stand_in):
    visit = opened(visits, stand_in, canned.failing, clock=True)
    page = visit.page
    age = page.locator("#codes time").first
    expect(age).to_contain_text("ago")
    before = age.text_content()
    stand_in.down, visit.tolerated = True, ("net::ERR",)
    page.clock.fast_forward(3_600_000)
    page.clock.run_for(2_000)
    assert age.text_content() != before


def test_objects_are_found_by_what_their_keys_begin_with_page_by_page(visits, stand_in):
    page = opened(visits, stand_in).page
    page.fill("#find-key", "photos/")
    page.click("#find-prefix")
    expect(page.locator("dialog .list li")).to_have_count(3)
    page.locator("dialog").get_by_role("button", name="More").click()
    expect(page.locator("dialog .list li")).to_have_count(6)
    page.locator("dialog .list a").last.click()
    expect(page.locator("dialog .trace-key")).to_have_text("photos/5 <i>.jpg")


def test_what_waits_is_beside_what_is_done(visits, stand_in):
    page = opened(visits, stand_in).page
    expect(page.locator("#waiting-note")).to_have_text("Of the last 12 uploads 2 wait")
    expect(page.locator("#waiting li")).to_have_count(2)
    for waiting, says in (
        ({"since": canned.at(9), "uploads": 12, "objects": []}, "Of the last 12 uploads none waits."),
        (None, "Which objects wait is not known: S3 writes to the queue itself."),
        ({"error": "AccessDenied"}, "What waits is not known: AccessDenied"),
        (canned.waiting(*(f"{i}.jpg" for i in range(9))), "Of the last 12 uploads 9 wait; the newest 5:"),
    ):
        stand_in.answers["GET recent"] = {**canned.recent(), "waiting": waiting}
        page.reload()
        expect(page.locator("#waiting-note")).to_have_text(says)


def test_a_long_reason_is_cut_until_somebody_wants_it_whole(visits, stand_in):
    reason = "it failed " * 60
    found = canned.recent()
    found["objects"][0] |= {"key": "photos/" + "long " * 200, "reason": reason}
    stand_in.answers["GET recent"] = found
    page = opened(visits, stand_in).page
    row = page.locator("#recent li").first
    expect(row.locator(".reason")).not_to_contain_text(reason.strip())
    assert row.bounding_box()["height"] < 200
    row.get_by_role("button", name="show all").click()
    expect(row.locator(".reason")).to_contain_text(reason.strip())
    row.get_by_role("button", name="show less").click()
    expect(row.locator(".reason")).not_to_contain_text(reason.strip())


def test_who_changed_what_when_and_why_is_on_the_page_and_asked_for(visits, stand_in):
    told = []
    stand_in.answers |= {
        "POST schedule/pause": lambda body: told.append(body) or {"paused": True},
        "PUT capacity": lambda body: told.append(body) or {"capacity": 5},
    }
    ann = "arn:aws:sts::123456789012:assumed-role/OnCall/ann"
    by = {"by_hour": None, "until": canned.at(-600), "who": ann, "when": canned.at(60), "note": "import"}
    page = opened(visits, stand_in, lambda: canned.status(capacity_set=5, capacity=5, set_by=by)).page
    expect(page.locator("#set-by")).to_contain_text("Last changed by assumed-role/OnCall/ann")
    expect(page.locator("#set-by")).to_contain_text("“import”")
    expect(page.locator("#capacity-says")).to_contain_text("set here until ")
    changes = page.locator("#changes li")
    expect(changes.first).to_contain_text("Capacity set: 1,000 events a minute")
    expect(changes.first).to_contain_text("by assumed-role/OnCall/<b>ann</b>")
    page.click("#pause")
    page.fill("#note", "the database is down")
    with page.expect_response("**/changes?*"):
        page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)
    page.click("#capacity")
    page.fill("#capacity-field", "7")
    page.fill("#note", "slowly")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)
    assert told == [{"note": "the database is down"}, {"capacity": 7, "note": "slowly"}]


def test_a_slow_api_is_asked_for_everything_at_once_and_each_part_is_shown_when_it_is_there(visits, stand_in):
    late = threading.Event()
    stand_in.answers["GET status"] = lambda: late.wait(60) and canned.status()
    page = visits(stand_in.url).page
    for shown in ("#recent li", "#codes li", "#jobs li", "#changes li", "#plot-backlog .plot path.line"):
        expect(page.locator(shown).first).to_be_visible()
    expect(page.locator("#headline")).to_have_text("Asking where everything stands …")
    late.set()
    expect(page.locator("#headline")).to_contain_text("Keeping up")


def test_with_an_answer_in_five_seconds_every_first_question_is_asked_before_it(visits, stand_in):
    stand_in.slow_s = 5.0
    page = visits(stand_in.url).page
    expect(page.locator("#headline")).to_contain_text("Keeping up")
    stand_in.slow_s = 0.0
    first = {path for path, answered in stand_in.read if not answered}  # a browser asks six at a time
    assert {"status", "recent", "dead-letters", "jobs", "series"} <= first
    assert len(first) == 6


def test_when_the_api_is_back_every_part_is_asked_at_once(visits, stand_in):
    visit = opened(visits, stand_in)
    visit.tolerated = ("net::ERR",)
    page = visit.page
    stand_in.down = True
    expect(page.locator("#outage")).to_contain_text("The API cannot be asked")
    assert page.title() == "✕ API down · prod · S3 event scheduler"
    stand_in.read.clear()
    stand_in.down = False
    page.click("#ask-now")
    expect(page.locator("#outage")).to_be_hidden()
    assert page.title() == "prod · S3 event scheduler"
    for path in ("recent", "jobs", "series", "changes"):
        end = time.monotonic() + 3
        while path not in {one for one, _ in stand_in.read}:
            assert time.monotonic() < end, path
            page.wait_for_timeout(50)


def test_the_simulated_backlog_is_drawn_true_to_scale(visits, stand_in):
    points = [[0, 0], [10, 1000], [110, 500], [1000, 0]]
    stand_in.answers["GET plan"] = {**canned.plan(), "backlog": points, "minutes_to_clear": 1000}
    page = opened(visits, stand_in).page
    drawn = page.locator("#plan-plot path.line.s1.area").last
    expect(drawn).to_be_visible()
    xs = [float(x) for x in re.findall(r"[ML]([\d.]+) ", drawn.get_attribute("d") or "")]
    shares = [(x - xs[0]) / (xs[-1] - xs[0]) for x in xs]
    assert shares == pytest.approx([0, 0.01, 0.11, 1], abs=0.002)
    expect(page.locator("#plan-plot text.tick", has_text=re.compile("^12 h$"))).to_have_count(1)


def test_with_no_backlog_to_draw_the_simulation_says_so(visits, stand_in):
    stand_in.answers["GET plan"] = {**canned.plan(), "backlog": [[0, 0], [10, 0]], "peak_backlog": 0}
    visit = opened(visits, stand_in)
    visit.tolerated = ("400 (Bad Request)",)
    page = visit.page
    expect(page.locator("#plan-empty")).to_have_text(
        "No backlog to draw: every tick takes all that has come."
    )
    expect(page.locator("#plan-plot")).to_be_hidden()
    stand_in.answers["GET plan"] = BadRequest("per", "is missing")
    page.fill("#plan-per", "")
    page.click("#plan-form button")
    expect(page.locator("#plan-problem")).to_have_text("per: is missing")
    expect(page.locator("#plan-empty")).to_have_text("")


def test_no_number_comes_without_what_it_is(visits, stand_in):
    stand_in.answers["GET jobs"] = {"jobs": [canned.job(5, "cancelled", 3, 0)], "total": 1}
    page = opened(visits, stand_in, canned.empty).page
    words = page.locator("#words")
    expect(words).to_contain_text("Live lane: 0 waiting, 0 in flight, 0 delayed.")
    expect(words).not_to_contain_text("not known")
    expect(page.locator("#picture")).to_contain_text("15 min mean")
    expect(page.locator("#plot-failures .legend")).to_contain_text("dead letters, total")
    expect(page.locator("#jobs li .pill .icon-off")).to_have_count(1)
    page.click("#capacity")
    expect(page.locator("#capacity-effect")).to_have_text(
        "At most 1,000 events a minute will be forwarded (now 1,000); nothing waits now."
    )


def test_the_manual_of_codes_has_a_place_for_each_and_shuts_nobody_out(visits, stand_in):
    visit = visits(f"{stand_in.url}web/codes.html#gone")
    expect(visit.page.locator("#gone")).to_contain_text("no longer there")
    assert visit.accessible() == []
    visit.page.locator("#gone a", has_text="The letters with this code").click()
    expect(visit.page.locator("#letters-title")).to_be_visible()
    assert visit.page.evaluate("location.hash") == "#/letters?code=gone"


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
    "opener", ["#pause", "#capacity", "#redrive-all", "#discard-all", "#new-job", "#recent a", "#find-prefix"]
)
def test_every_dialog_is_accessible_and_fits_a_phone(visits, stand_in, opener):
    visit = opened(visits, stand_in, canned.failing, width=360, scheme="dark")
    visit.page.locator(opener).first.click()
    box = visit.page.locator("dialog").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert visit.accessible() == []
