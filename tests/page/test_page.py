"""The page over a pipeline at work: what the person on call does, and what an attacker would try."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from dev.local_aws import LocalAws, free_port
from dev.pipeline import Pipeline
from dev.s3_batch.process import s3_batch
from infra.local_api import local_api
from tests.support.deployment import deploy, only_our_ticks
from tests.support.page.canned import HOSTILE
from tests.support.page.visits import PATIENCE, Visit, visit_of

pytestmark = [pytest.mark.aws, pytest.mark.deploy, pytest.mark.long, pytest.mark.xdist_group("chromium")]

PHOTOGRAPHS = ("rocket.jpg", "astronaut.png")


@pytest.fixture(scope="module")
def pipeline(browser: Browser, aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A stage of its own, so that its queues hold only what these tests put there."""
    with s3_batch(free_port(), aws.url) as environment:
        pipeline = deploy(tmp_path_factory.mktemp("page"), "page", **environment)
        with pytest.MonkeyPatch.context() as patch:  # the API runs here, not in the stage's function
            for name, value in environment.items():
                patch.setenv(name, value)
            yield pipeline


@pytest.fixture(scope="module")
def visit(browser: Browser, pipeline: Pipeline) -> Iterator[Visit]:
    """One page, open all the time, as on the wall of a control room."""
    log = pipeline.stage.root.parent / "page.log"
    with local_api(pipeline.stage, free_port(), log) as url:
        visit = visit_of(browser, url)
        yield visit
        visit.page.context.close()


@pytest.fixture
def page(visit: Visit) -> Iterator[Page]:
    yield visit.page
    assert visit.unexpected() == []


def confirm(page: Page) -> None:
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)


def ticks_until(pipeline: Pipeline, page: Page, selector: str, text: str) -> None:
    """Tick on until the page shows it."""
    end = time.monotonic() + PATIENCE / 1000
    while text not in (page.locator(selector).text_content() or ""):
        assert time.monotonic() < end, f"{selector} is {page.locator(selector).text_content()!r}"
        pipeline.tick()
        page.wait_for_timeout(1000)


def test_pausing_stops_the_schedule_and_uploads_then_wait(page, pipeline, photographs):
    expect(page.locator("#fresh")).to_contain_text("Updated")
    expect(page.locator("#stage")).to_have_text("page")
    page.click("#pause")
    page.fill("#note", "for a while")
    confirm(page)
    expect(page.locator("#headline")).to_have_text("Paused: nothing waits")
    expect(page.locator("#set-by")).to_contain_text("“for a while”")
    expect(page.locator("#changes li").first).to_contain_text("Schedule paused")
    for name in PHOTOGRAPHS:
        pipeline.upload(f"photos/{name}", (photographs / name).read_bytes())
    pipeline.upload(HOSTILE, b"not an image at all")
    expect(page.locator("#picture .node-source .value")).to_have_text("3")
    expect(page.locator("#headline")).to_have_text("Paused: 3 waiting, nothing is forwarded")
    expect(page.locator("#waiting-note")).to_have_text("Of the last 3 uploads 3 wait")
    expect(page.locator("#waiting")).to_contain_text("photos/rocket.jpg")
    assert pipeline.tick()["forwarded"] == 0


def test_a_capacity_is_set_and_taken_back_and_the_pause_holds(page, pipeline):
    page.click("#capacity")
    page.fill("#capacity-field", "2")
    confirm(page)
    expect(page.locator("#capacity-value")).to_have_text("2")
    expect(page.locator("#capacity-says")).to_contain_text("deployed: 1,000")
    assert pipeline.tick()["stopped"] == "paused"
    page.click("#capacity")
    page.click("text=Back to deployed (1,000)")
    expect(page.locator("#capacity-value")).to_have_text("1,000")


def test_resuming_starts_the_schedule_again(page, pipeline):
    page.click("#pause")
    confirm(page)
    expect(page.locator("#schedule-says")).to_have_text("Runs every minute")
    ticks_until(pipeline, page, "#picture .node-source .value", "0")


def test_a_dead_letter_is_redriven_and_comes_back_with_its_reason(page, pipeline):
    expect(page.locator("#notes")).to_contain_text("1 dead letter")
    with only_our_ticks(pipeline):  # the minute's own would bring it back before anybody has seen it gone
        redrive_and_wait_until_it_is_back(page, pipeline)


def redrive_and_wait_until_it_is_back(page, pipeline):
    page.locator("#codes li").first.get_by_role("button", name="Redrive").click()
    page.fill("#note", "once more")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("#toast")).not_to_be_empty()
    expect(page.locator("#redrives")).to_contain_text("1 sent back")
    expect(page.locator("#redrives")).to_contain_text(": once more")
    expect(page.locator("#letters-note")).to_contain_text("None.")
    expect(page.locator("#notes")).not_to_contain_text("dead letter")  # the count of a status is kept a while
    ticks_until(pipeline, page, "#notes", "1 dead letter")
    page.locator("#letters-again").click()
    page.locator("#letters-box summary").click()
    expect(page.locator("#letters")).to_contain_text(HOSTILE)
    page.locator("#letters a", has_text="whole letter").first.click()
    expect(page.locator("dialog pre")).to_contain_text('"Key"')
    page.keyboard.press("Escape")


def test_a_job_is_created_run_and_read_to_its_report(page, pipeline):
    page.click("#new-job")
    page.select_option("#job-kind", "tag")
    page.fill("#job-prefix", "photos/")
    page.fill("#job-tag-key", "phototype")
    page.fill("#job-tag-value", "finished")
    page.click("dialog button[type=submit]")
    expect(page.locator("dialog .found")).to_contain_text("2 objects; estimated cost: about $")
    page.locator("dialog button[type=submit]", has_text="Create the job").click()
    row = page.locator("#jobs li", has_text="Tag phototype=finished on photos/*")
    row.get_by_role("button", name="Run").click()
    confirm(page)
    expect(row).to_contain_text("succeeded")
    row.get_by_role("button", name="Report").click()
    totals = page.locator("dialog .totals")
    expect(totals).to_have_text("succeeded: 2 of 2 succeeded, 0 failed")
    page.keyboard.press("Escape")
    tags = pipeline.s3.get_object_tagging(Bucket=pipeline.settings["IMAGES_BUCKET"], Key="photos/rocket.jpg")
    assert tags["TagSet"] == [{"Key": "phototype", "Value": "finished"}]


def test_the_last_uploads_are_shown_with_what_they_turned_into(page, visit):
    uploads = page.locator("#recent li.upload")
    expect(uploads.filter(has_text=HOSTILE).first).to_contain_text("not among the formats taken")
    done = uploads.filter(has_text="photos/rocket.jpg").first
    expect(done).to_contain_text("done")
    expect(page.locator("#waiting-note")).to_have_text("Of the last 3 uploads none waits.")
    image = done.locator("img")
    image.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())


def test_one_object_is_traced_by_its_key_through_every_leg(page, visit):
    page.fill("#find-key", "photos/rocket.jpg")
    page.click("#find-one")
    trace = page.locator("dialog .trace")
    expect(trace).to_contain_text("known from the thumbnails' metadata")
    expect(trace.locator(".made li")).to_have_count(2)
    for leg in ("In the source queue", "In the destination queue", "Worked on"):
        expect(trace.locator("dl.facts div", has_text=leg).locator("dd")).not_to_have_text("–")
    visit.screenshot("trace", full=False)
    page.keyboard.press("Escape")
    page.fill("#find-key", "photos/r")
    page.click("#find-prefix")
    expect(page.locator("dialog .list a")).to_have_text(["photos/rocket.jpg"])
    page.keyboard.press("Escape")
    page.fill("#find-key", HOSTILE)
    page.click("#find-one")
    expect(page.locator("dialog .trace")).to_contain_text("Rejected")
    page.keyboard.press("Escape")


def test_the_last_hour_and_the_plots_have_what_went_through(page):
    def gauge(name):
        return page.locator("#hour div", has_text=name).locator("dd")

    expect(gauge("Done").first).to_have_text("2")
    expect(gauge("Thumbnails")).to_have_text("4")
    expect(gauge("Half are done within")).not_to_have_text("–")
    expect(page.locator("#picture .node-drain")).to_contain_text("100% ok")
    drawn = page.locator("#plot-throughput .plot").locator("path.line, circle.dot")
    expect(drawn).not_to_have_count(0, timeout=2 * PATIENCE)  # a minute has to be over first


def test_everything_is_on_the_page_and_nobody_is_shut_out(page, visit):
    """No empty plots, no gauges without a needle."""
    for section in page.locator("section").all():
        assert section.is_visible()
    page.evaluate("scrollTo(0, 0)")
    visit.screenshot("pipeline-at-work")
    assert visit.accessible() == []
