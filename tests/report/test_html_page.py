"""The page in a real browser, of a run whose labels and features have names that would harm a careless one."""

import shutil

import numpy as np
import pandas as pd
import pytest

from jamie.core.context import Context
from jamie.core.explanation import Explanation
from jamie.report.html import run_page
from jamie.report.html.run_page import HtmlReport
from jamie.runs import umap_coordinates
from jamie.runs.directory import OutputDirectory
from jamie.runs.explanation_files import save_explanation

HARMFUL = "<script>alert(1)</script>"
ODD = ["__proto__", "<img src=x onerror=alert(2)>", 'a"b', "µ & more", "</script><b>x", "constructor"]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--enable-unsafe-swiftshader"]
ALLOWED = ("file:", "data:", "blob:")


def odd_cells():
    """Cells of two modalities with 70 features of the second, some of them oddly named."""
    from anndata import AnnData

    generator = np.random.default_rng(0)
    latent = generator.normal(size=(60, 2))
    obs = pd.DataFrame(
        {"cell_type": np.where(latent[:, 0] > 0, HARMFUL, "B")}, index=[f"cell{i:02d}" for i in range(60)]
    )
    found = {}
    for name, features in (
        ("rna", [f"gene{i}" for i in range(12)]),
        ("protein", ODD + [f"p{i:02d}" for i in range(64)]),
    ):
        X = latent @ generator.normal(size=(2, len(features))) + 0.3 * generator.normal(size=(60, len(features)))
        found[name] = AnnData(X.astype(np.float32), obs=obs.copy(), var=pd.DataFrame(index=features))
    return found


def without_umap(values, seed):
    """Two coordinates of the values: compiling UMAP takes longer than all that is tested here."""
    return np.ascontiguousarray(values[:, :2], np.float32)


@pytest.fixture(scope="session")
def run(tmp_path_factory, place_in):
    """A run directory with its page."""
    place = place_in(tmp_path_factory.mktemp("page"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place.folder)
        patch.setattr(umap_coordinates, "_umap", without_umap)
        done = place.run(
            odd_cells(),
            evaluate={
                "holdout": {"fraction": 0.2},
                "compare": ["ridge", "cca"],
                "metrics": ["foscttm", "label_transfer_accuracy", "pearson", "r2"],
            },
        )
        assert done.exit_code == 0, done.output
        HtmlReport(features=200).write(place.out, Context())
    return place


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs chromium, which is not installed here")
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which is not installed here")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visit(browser):
    """Open a file, and keep what must not be: requests, errors, dialogs."""
    opened = []

    def visit(path, width=1200, script="", **settings):
        page = browser.new_context(viewport={"width": width, "height": 800}, **settings).new_page()
        page.add_init_script(script)
        page.wrong = []
        page.on("request", lambda one: one.url.startswith(ALLOWED) or page.wrong.append(one.url))
        page.on("console", lambda one: one.type == "error" and page.wrong.append(one.text))
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (page.wrong.append(dialog.message), dialog.dismiss()))
        page.goto(path.resolve().as_uri())
        opened.append(page)
        return page

    yield visit
    for page in opened:
        page.context.close()


@pytest.fixture(scope="session")
def opened(run, visit):
    """The page with its plot drawn."""
    page = visit(run.out / "report.html", color_scheme="light")
    page.locator("#plot").scroll_into_view_if_needed()
    page.wait_for_selector("#plot[data-drawn]")
    return page


@pytest.fixture
def page(opened):
    yield opened
    assert opened.wrong == []


def column(page, i=1):
    """Texts of a column of the table of features."""
    return page.locator(f"#feature-table tbody tr > :nth-child({i})").all_inner_texts()


def number(text):
    """Read a number that has a true minus sign."""
    return float(text.replace("\N{MINUS SIGN}", "-"))


def place_of(page, row):
    """Where a drawn cell is on the screen."""
    return page.evaluate(
        """(row) => {
          const plot = document.getElementById("plot");
          plot.scrollIntoView({ block: "center", behavior: "instant" });
          const trace = plot.data.find((one) => one.customdata.includes(row));
          const at = trace.customdata.indexOf(row);
          const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
          const { xaxis, yaxis } = plot._fullLayout;
          return [box.left + xaxis.l2p(trace.x[at]), box.top + yaxis.l2p(trace.y[at])];
        }""",
        row,
    )


def test_pointing_at_a_cell_tells_its_name_type_and_partner(page):
    row = page.evaluate("data.cells.names.indexOf('cell07')")
    x, y = place_of(page, row)
    page.mouse.move(x - 30, y - 30)
    page.mouse.move(x, y, steps=3)
    page.wait_for_selector("#tip:not([hidden])")
    lines = page.locator("#tip").inner_text().split("\n")
    names = page.evaluate("data.cells.names")
    assert lines[0] in names  # another cell may lie nearer to the pixel
    assert lines[1] in ("measured in rna", "measured in protein")
    assert lines[2] in (f"cell_type: {HARMFUL}", "cell_type: B")
    other = "protein" if lines[1].endswith("rna") else "rna"
    assert f"partner in {other}: {lines[0]}" in lines


def test_cells_are_found_by_name(page):
    page.fill("#find input", "cell11")
    page.press("#find input", "Enter")
    page.wait_for_function("document.getElementById('readout').textContent.startsWith('cell11 · measured in rna')")
    page.wait_for_function("document.getElementById('plot').data[2].x.length === 2")  # itself and its partner
    page.fill("#find input", "nobody")
    page.press("#find input", "Enter")
    assert "No cell that is drawn is called nobody." in page.locator("#readout").inner_text()


def test_cells_are_coloured_by_label_modality_and_feature(page):
    labels = page.locator("#colour option").all_inner_texts()
    assert {"modality", "cell_type", "training or held out", "gene0", *ODD} <= set(labels)
    page.select_option("#colour", label="modality")
    page.wait_for_function(
        "[...document.querySelectorAll('#legend button')].map((one) => one.textContent).join() === 'rna,protein'"
    )
    page.select_option("#colour", label="gene0")
    page.wait_for_function("document.getElementById('plot').data[1].marker.showscale === true")
    assert "imputed in those of protein" in page.locator("#legend").inner_text()
    page.select_option("#colour", label="cell_type")
    page.wait_for_function("document.querySelectorAll('#legend button').length === 2")
    assert page.locator("#legend button").all_inner_texts() == [HARMFUL, "B"]


def test_the_legend_picks_out_one_type(page):
    page.select_option("#colour", label="cell_type")
    everything = page.evaluate("document.getElementById('plot').data[1].x.length")
    page.locator("#legend button", has_text="B").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.getElementById('plot').data[1].x.length < {everything}")
    assert page.evaluate("document.activeElement.textContent") == "B"
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.getElementById('plot').data[1].x.length === {everything}")


def test_values_of_features_come_through_the_bytes(page, run):
    """What is shown of a measured value is within half a step of it, where it is not beyond the scale."""
    import mudata

    measured = mudata.read_h5mu(run.out / "result.h5mu")["protein"].to_df()["p05"]
    names, values, low, high = page.evaluate(
        """() => {
          const { names, features, counts } = data.cells;
          const one = features.find(({ name }) => name === "p05");
          return [names.slice(counts[0]), [...numbers(one.values)].slice(counts[0]), one.low, one.high];
        }"""
    )
    shown = low + np.array(values) / 254 * (high - low)
    expected = np.clip(measured.loc[names].to_numpy(), low, high)
    assert np.abs(shown - expected).max() <= (high - low) / 254 / 2 * 1.001


def test_the_table_is_sorted_by_keyboard(page):
    page.select_option("#direction", label="protein from rna (held out cells)")
    heading = page.locator("#feature-table th", has_text="ridge")
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    falling = [number(text) for text in column(page, 3)]
    assert falling == sorted(falling, reverse=True)
    page.keyboard.press("Space")  # the focus stays on the heading
    assert heading.get_attribute("aria-sort") == "ascending"
    rising = [number(text) for text in column(page, 3)]
    assert rising == sorted(rising)
    assert rising[0] <= falling[-1]


def test_the_table_agrees_with_the_file(page, run):
    table = pd.read_csv(run.out / "features.csv", dtype={"feature": str})
    expected = table[(table["method"] == "ridge") & (table["target"] == "rna")].set_index("feature")["pearson"]
    page.select_option("#direction", label="rna from protein (held out cells)")
    shown = dict(zip(column(page, 1), column(page, 3), strict=True))
    assert {name: number(text) for name, text in shown.items()} == expected.round(3).to_dict()


def test_the_table_is_searched_and_turned(page):
    page.select_option("#direction", label="protein from rna (held out cells)")
    assert page.locator("#range").inner_text() == "1\N{EN DASH}50 of 70"
    page.click("#next")
    assert page.locator("#range").inner_text() == "51\N{EN DASH}70 of 70"
    page.fill("#search", "P0")
    assert sorted(column(page)) == [f"p0{i}" for i in range(10)]
    page.fill("#search", "<IMG")
    assert column(page) == ["<img src=x onerror=alert(2)>"]
    page.fill("#search", "there is none")
    assert page.locator("#range").inner_text() == "no feature of this name"
    page.fill("#search", "")


def test_a_feature_of_the_table_colours_the_cells(page):
    page.select_option("#direction", label="rna from protein (held out cells)")
    page.locator("#feature-table button.show", has_text="gene3").first.click()
    assert page.locator("#colour option:checked").inner_text() == "gene3"


def test_names_are_text_and_never_html(page):
    assert page.locator("main img[src=x]").count() == 0
    assert page.locator("main b", has_text="x").count() == 0
    assert page.evaluate("document.querySelectorAll('body > script').length") == 5  # two of data, three that run


def test_figures_are_enlarged_and_closed_by_keyboard(page):
    page.locator(".enlarge").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#zoom").is_visible()
    assert page.evaluate("document.querySelector('#zoom img').naturalWidth") > 0
    page.keyboard.press("Escape")
    assert not page.locator("#zoom").is_visible()


def test_every_section_is_named_in_the_contents(page):
    linked = page.eval_on_selector_all("nav a", "all => all.map((one) => one.hash.slice(1))")
    assert linked == page.eval_on_selector_all("main section", "all => all.map((one) => one.id)")


def test_all_images_can_be_seen(page):
    sizes = page.eval_on_selector_all("main img", "all => all.map((one) => one.naturalWidth)")
    assert len(sizes) > 0
    assert min(sizes) > 0


def test_the_first_stop_of_the_keyboard_skips_to_the_content(page):
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0); getSelection().removeAllRanges()")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def luminance(page, selector="body"):
    """Of the background, 0 to 1."""
    text = page.evaluate("(one) => getComputedStyle(document.querySelector(one)).backgroundColor", selector)
    red, green, blue = (int(part) for part in text[text.index("(") + 1 : -1].split(",")[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


def test_dark_mode_by_system_and_by_button(run, visit):
    page = visit(run.out / "report.html", color_scheme="dark")
    assert luminance(page) < 0.1
    assert luminance(page, "main section") < 0.15
    page.click("#theme")
    assert luminance(page) > 0.9
    assert page.wrong == []


FAINT = """
  () => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (text) => {
      const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
      const [r, g, b] = rgb(text).slice(0, 3).map((one) => linear(one / 255));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
      for (let one = element; one; one = one.parentElement) {
        const [, , , alpha = 1] = rgb(getComputedStyle(one).backgroundColor);
        if (alpha === 1) return getComputedStyle(one).backgroundColor;
      }
      return "rgb(255, 255, 255)";
    };
    const hasText = (element) => [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    return [...document.querySelectorAll("body :not(script, option, optgroup, #plot *)")]
      .filter((one) => hasText(one) && one.checkVisibility() && !one.disabled)
      .map((one) => [one, [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => b - a)])
      .filter(([, [over, under]]) => (over + 0.05) / (under + 0.05) < 4.5)
      .map(([one]) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`);
  }
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(run, visit, scheme):
    """Contrast of 4.5 at least, as WCAG 2 asks for at level AA."""
    page = visit(run.out / "report.html", color_scheme=scheme)
    page.wait_for_selector("#feature-table tbody tr")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate(FAINT) == []
    page.add_style_tag(content=".lead { color: grey; background: silver; }")
    assert len(page.evaluate(FAINT)) == 1  # or it would find nothing ever


def test_cells_are_drawn_without_webgl(run, visit):
    page = visit(run.out / "report.html", script="HTMLCanvasElement.prototype.getContext = () => null")
    page.locator("#plot").scroll_into_view_if_needed()
    page.wait_for_selector("#plot[data-drawn] .scatterlayer .point")
    assert page.locator("#plot .scatterlayer .point").count() == 120
    assert page.wrong == []


def test_a_phone_never_scrolls_sideways(run, visit):
    page = visit(run.out / "report.html", width=360, has_touch=True, is_mobile=True, device_scale_factor=1)
    page.locator("#plot").scroll_into_view_if_needed()
    page.wait_for_selector("#plot[data-drawn]")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.wrong == []


def test_long_names_leave_room_for_what_stands_beside_them(run, visit, monkeypatch):
    monkeypatch.setattr(run_page, "draw_figures", lambda *given: ())
    folder = run.folder / "long"
    shutil.copytree(run.out, folder)
    table = pd.DataFrame({"target": ["x" * 300], "rank": [1], "feature": ["y" * 300], "mean_abs": [0.5]})
    save_explanation(OutputDirectory(folder), Explanation("shap", "protein, from rna", {}, {"top": table}))
    HtmlReport().write(folder, Context())
    page = visit(folder / "report.html")
    for places in ("#summary .scroll", "#explanation .scroll"):
        for place in page.locator(places).all():
            assert place.evaluate("(one) => one.scrollWidth <= one.clientWidth"), place.get_attribute("aria-label")
    assert page.wrong == []


def test_a_long_setting_leaves_room_for_that_of_the_other_run(run, visit, monkeypatch):
    monkeypatch.chdir(run.folder)
    shutil.copytree(run.out, run.folder / "explained")
    spec = run.folder / "explained/spec.resolved.yaml"
    text = spec.read_text()
    assert "explain: []" in text
    listed = ", ".join(["{knockout: {source: rna, target: protein}}"] * 40)
    spec.write_text(text.replace("explain: []", f"explain: [{listed}]"))
    done = run.call("compare", "out", "explained", "--out", "settings", "--quiet", "--overwrite")
    assert done.exit_code == 0, done.output
    page = visit(run.folder / "settings/compare.html")
    assert page.locator("#specs .scroll").evaluate("(one) => one.scrollWidth <= one.clientWidth")
    assert max(box.bounding_box()["height"] for box in page.locator("#specs tbody tr").all()) < 300


def test_a_page_of_several_runs(run, visit, monkeypatch):
    monkeypatch.chdir(run.folder)
    if not (run.folder / "other").exists():
        shutil.copytree(run.out, run.folder / "other")
        spec = run.folder / "other/spec.resolved.yaml"
        spec.write_text(spec.read_text().replace("max_epochs: 4", "max_epochs: 5"))
    done = run.call("compare", "out", "other", "--out", "both", "--quiet", "--overwrite")
    assert done.exit_code == 0, done.output
    page = visit(run.folder / "both/compare.html")
    assert page.locator("#specs tbody tr").all_inner_texts() == ["training.max_epochs\t4\t5"]
    for name in ("#alignment", "#scatter"):
        page.locator(name).scroll_into_view_if_needed()
        page.wait_for_selector(f"{name}[data-drawn]")
    page.select_option("#across", label="out · jamie")
    page.select_option("#up", label="out · ridge")
    table = pd.read_csv(run.out / "features.csv", dtype={"feature": str})
    wide = table[table["target"] == "protein"].pivot(index="feature", columns="method", values="pearson")
    better = int((wide["ridge"] > wide["jamie"]).sum())
    page.wait_for_function("document.getElementById('wins').textContent.includes('by out · ridge')")
    assert f"Of 70 features, {better} are imputed better by out · ridge" in page.locator("#wins").inner_text()
    assert page.wrong == []
