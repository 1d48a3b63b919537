"""Files as clinics and survey tools write them, made from the simulated clinic; each returns the paths it wrote."""

import csv
import json

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
from clinic import battery, clinic, wide

C = clinic()
KEYS = ["client", "therapist", "session"]


def wai(pattern, level="alliance", seed=2, n=12, low=1, high=5, **more):
    return battery(C, level, pattern, n, low, high, seed, **more)


def phq(pattern, n=9, low=0, high=3, seed=4, **more):
    return battery(C, "symptoms", pattern, n, low, high, seed, **more)


def firsts():
    return C.groupby("client").first().reset_index()


def text(folder, name, frame, **keys):
    frame.to_csv(folder / name, index=False, **keys)
    return folder / name


def long_items(folder):
    frame = C[[*KEYS, "date"]].join([wai("wai_c_{}"), wai("wai_t_{}", "alliance_t", 3), phq("phq9_{}")])
    return [text(folder, "s.csv", frame)]


def german_scores(folder):
    frame = pd.DataFrame(
        {
            "Patientencode": C["client"],
            "Therapeut": C["therapist"],
            "Sitzung": C["session"],
            "Datum": C["date"].dt.strftime("%d.%m.%Y"),
            "WAI_P_MW": wai("a{}").mean(axis=1).round(2),
            "WAI_T_MW": wai("a{}", "alliance_t").mean(axis=1).round(2),
            "OQ45_Summe": phq("o{}", 45, 0, 4).sum(axis=1),
            "Abbruch": (C["client"] % 4 == 0).astype(int),
        }
    )
    return [text(folder, "daten.csv", frame, sep=";", decimal=",", encoding="cp1252")]


def wide_means(folder):
    scores = pd.DataFrame({"wai": wai("a{}").mean(axis=1).round(2), "phq": phq("p{}").sum(axis=1)})
    frame = wide(C, scores)
    frame["age"] = np.random.default_rng(0).integers(18, 70, len(frame))
    frame["phq_pre"] = np.where(frame.index % 2, 15, 12)
    frame["phq_post"] = frame["phq_s1"]
    return [text(folder, "wide.csv", frame)]


def wide_sums(folder):
    scores = pd.DataFrame({"PHQ": phq("p{}").sum(axis=1), "WAI": wai("p{}").sum(axis=1)})
    return [text(folder, "wide.csv", wide(C, scores, name="{column}_T{session:02d}"))]


def wide_items(folder):
    return [text(folder, "wide.csv", wide(C, wai("wai{}"), name="{column}_t{session}"))]


def wide_items_of_two_raters(folder):
    spelt = "{column}_s{session:02d}"
    one = wide(C, wai("wai_c_{}"), name=spelt)
    return [text(folder, "w.csv", one.merge(wide(C, wai("wai_t_{}", "alliance_t", 5), name=spelt), on="client"))]


def row_per_rating(folder):
    one = C[KEYS].join(wai("wai{}")).assign(rater="Client")
    other = C[KEYS].join(wai("wai{}", "alliance_t", 3)).assign(rater="Therapist")
    return [text(folder, "ratings.csv", pd.concat([one, other]))]


def file_per_rater(folder):
    keys = C[["client", "session"]]
    return [
        text(folder, "wai_client.csv", keys.join(wai("wai_{}"))),
        text(folder, "wai_therapist.csv", keys.join(wai("wai_{}", "alliance_t", 4))),
    ]


def file_per_questionnaire(folder):
    keys = C[["client", "session"]]
    clients = firsts()[["client", "therapist"]].rename(columns={"client": "ID"})
    clients["Geschlecht"] = np.where(clients["ID"] % 2, "m", "w")
    clients["status"] = np.where(clients["ID"] % 3, "abgeschlossen", "Abbruch")
    clients["bdi_pre"], clients["bdi_post"] = 20 + clients["ID"] % 9, 10 + clients["ID"] % 9
    return [
        text(folder, "wai.csv", keys.join(wai("WAI_{}"))),
        text(folder, "phq9.csv", keys.join(phq("Item{}"))),
        text(folder, "stammdaten.csv", clients),
    ]


def seven_steps_and_codes(folder):
    answers = wai("wai_{}", high=7, reverse=(4, 10))
    answers.iloc[::17, 3] = 99
    return [text(folder, "s.csv", C[["client", "session"]].join([answers, phq("core{}", 10, 0, 4, reverse=(2, 3))]))]


def dates_only(folder):
    frame = C[["client", "date"]].join([wai("srs{}", n=4, low=0, high=10), phq("ors{}", 4, 0, 10)])
    return [text(folder, "s.csv", frame)]


def redcap_events(folder):
    sessions = C[["client"]].join([wai("wai_{}"), phq("phq9_{}")])
    sessions["redcap_event_name"] = "session_" + C["session"].astype(str) + "_arm_1"
    base = firsts()[["client"]].join(battery(firsts(), "symptoms", "phq9_{}", 9, 0, 3))
    base = base.assign(redcap_event_name="baseline_arm_1", age=30 + base["client"] % 20, sex=base["client"] % 2)
    export = pd.concat([base, sessions]).rename(columns={"client": "record_id"}).sort_values("record_id", kind="stable")
    return [text(folder, "REDCap.csv", export.assign(wai_complete=2))]


def redcap_repeating_form(folder):
    sessions = C[["client", "session", "date"]].join([wai("wai_{}"), phq("phq9_{}")])
    sessions = sessions.rename(columns={"session": "redcap_repeat_instance"}).assign(redcap_repeat_instrument="form")
    base = firsts()[["client"]]
    base = base.assign(age=30 + base["client"] % 20, dropout=(base["client"] % 3 == 0).astype(int))
    export = pd.concat([base, sessions]).rename(columns={"client": "record_id"}).sort_values("record_id", kind="stable")
    return [text(folder, "REDCap.csv", export)]


def unknown_batteries(folder):
    frame = C[["client", "session"]].join([wai("q{}", n=8), phq("v{}", 6, 0, 100)]).assign(gas=C["symptoms"].round(2))
    return [text(folder, "s.csv", frame)]


def other_coding(folder):
    return [
        text(folder, "s.csv", C[["client", "session"]].join([phq("phq{}", 9, 1, 4), wai("WAI-SR_{}", low=0, high=4)]))
    ]


def change_of_therapist(folder):
    frame = C[KEYS].copy()
    frame.loc[(frame["client"] % 5 == 0) & (frame["session"] > 3), "therapist"] = "T99"
    return [text(folder, "s.csv", frame.join(wai("wai{}")).assign(phq_total=phq("p{}").sum(axis=1)))]


def words_for_sessions(folder):
    return [text(folder, "s.csv", C[["client"]].assign(visit="Sitzung " + C["session"].astype(str)).join(wai("wai{}")))]


def pre_post_follow_up(folder):
    frame = firsts()[["client", "therapist"]]
    for seed, phase in enumerate(("pre", "post", "fu")):
        frame = frame.join(battery(firsts(), "symptoms", f"phq9_{{}}_{phase}", 9, 0, 3, seed))
    frame["wai_mid"] = np.where(frame.index % 3, 3.5, 4.25)
    frame.to_excel(folder / "s.xlsx", index=False)
    return [folder / "s.xlsx"]


def sheets_below_a_title(folder):
    clients = firsts()[["client"]].assign(Alter=33, PHQ9_pre=12, PHQ9_post=8)
    clients.loc[::3, ["Alter", "PHQ9_pre", "PHQ9_post"]] = [40, 15, 9]
    with pd.ExcelWriter(folder / "Klinik.xlsx") as book:
        pd.DataFrame({"Hinweis": ["Bitte nicht löschen"]}).to_excel(book, sheet_name="Info", index=False)
        C[KEYS].join(wai("WAI_{}")).to_excel(book, sheet_name="Sitzungen", index=False, startrow=2)
        book.sheets["Sitzungen"]["A1"] = "Ambulanz 2024"
        clients.to_excel(book, sheet_name="Patienten", index=False)
    return [folder / "Klinik.xlsx"]


def two_rows_of_names(folder):
    book = openpyxl.Workbook()
    book.active.append(["Patient", "Sitzung", "WAI-SR", *[None] * 11, "PHQ-9", *[None] * 8])
    book.active.append([None, None, *range(1, 13), *range(1, 10)])
    for row in C[["client", "session"]].join([wai("w{}"), phq("p{}")]).to_numpy().tolist():
        book.active.append(row)
    book.save(folder / "x.xlsx")
    return [folder / "x.xlsx"]


def labels_of_spss(folder):
    first, second = wai("v{}").astype(float), phq("q{}").astype(float)
    first.columns, second.columns = [f"v{at}" for at in range(101, 113)], [f"v{at}" for at in range(201, 210)]
    frame = C[KEYS].join([first, second]).assign(abschl=(C["client"] % 3 + 1).astype(float), v999=1.0)
    labels = {name: f"WAI-SR Item {at} Patient" for at, name in enumerate(first, start=1)}
    labels |= {name: f"PHQ-9 Frage {at}" for at, name in enumerate(second, start=1)}
    status = {"abschl": {1.0: "regulär beendet", 2.0: "Abbruch", 3.0: "läuft noch"}}
    pyreadstat.write_sav(frame, str(folder / "x.sav"), column_labels=labels, variable_value_labels=status)
    return [folder / "x.sav"]


def qualtrics(folder):
    frame = pd.DataFrame({"RecordedDate": C["date"], "ResponseId": [f"R_{at}" for at in range(len(C))]})
    frame = frame.assign(Q1=C["client"], Q2=C["session"]).join([wai("Q5_{}"), phq("Q7_{}")])
    questions = {"Q1": "Please enter your participant code", "Q2": "Session number"}
    questions |= {f"Q5_{at}": f"Working Alliance Inventory - what my therapist and I do, {at}" for at in range(1, 13)}
    questions |= {f"Q7_{at}": f"PHQ-9 - over the last two weeks, {at}" for at in range(1, 10)}
    with (folder / "November.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(frame)
        lines.writerow([questions.get(name, name) for name in frame])
        lines.writerow([json.dumps({"ImportId": name}) for name in frame])
        lines.writerows(frame.astype(str).to_numpy().tolist())
    return [folder / "November.csv"]


def visits(folder):
    rows = [
        firsts()[["client"]].assign(visit=visit).join(battery(firsts(), "symptoms", "phq9_{}", 9, 0, 3, seed))
        for seed, visit in enumerate(["Baseline", "Mid", "Post", "FU6"])
    ]
    return [text(folder, "v.csv", pd.concat(rows))]


def visits_and_sessions(folder):
    sessions = C[["client"]].assign(visit="Session " + C["session"].astype(str)).join([phq("phq9_{}"), wai("wai{}")])
    others = [
        firsts()[["client"]].assign(visit=visit).join(battery(firsts(), "symptoms", "phq9_{}", 9, 0, 3, seed))
        for seed, visit in enumerate(["Intake", "Termination"])
    ]
    return [text(folder, "v.csv", pd.concat([sessions, *others]))]


def totals(folder):
    frame = pd.DataFrame({"PatientID": C["client"], "ClinicianID": C["therapist"], "SessNo": C["session"]})
    frame["OQTotal"] = phq("o{}", 45, 0, 4).sum(axis=1)
    frame["SRS_Total"] = (wai("o{}", n=4, low=0, high=10).sum(axis=1) - 0.5).clip(0, 40)
    frame["ORS"] = phq("o{}", 4, 0, 10).sum(axis=1).astype(float)
    return [text(folder, "s.csv", frame)]


def personal_columns(folder):
    frame = C[["client", "session"]].assign(Name=[f"Person {one}" for one in C["client"]], geburtsdatum="1980-05-01")
    return [text(folder, "s.csv", frame.assign(wai_gesamt=wai("w{}").sum(axis=1), bdi=phq("w{}", 21).sum(axis=1)))]


def reversed_items(folder):
    core = phq("core_{}", 34, 0, 4, reverse=(3, 4, 7, 12, 19, 21, 31, 32))
    haq = wai("haq{}", n=19, high=6, reverse=(4, 8, 11, 16, 19))
    return [text(folder, "s.csv", C[["client", "session"]].join([core, haq]))]


def sheets_by_time(folder):
    with pd.ExcelWriter(folder / "x.xlsx") as book:
        for session, title in enumerate(("Pre", "T1", "T2", "Post")):
            part = C[C["session"] == session + 1][["client"]].join(wai("wai{}"))
            part.to_excel(book, sheet_name=title, index=False)
    return [folder / "x.xlsx"]


def stata(folder):
    frame = C[KEYS].join([wai("wai_sr_p_{}").astype(float), phq("gad7_{}", 7).astype(float)])
    pyreadstat.write_dta(frame, str(folder / "x.dta"))
    return [folder / "x.dta"]


def other_scorings(folder):
    frame = C[["client", "session"]].assign(
        core_om=(phq("o{}", 34, 0, 4).mean(axis=1) * 10).round(1),
        wai_percent=(wai("o{}").mean(axis=1) * 20).round(0),
        ors_total=phq("o{}", 4, 0, 10).sum(axis=1),
    )
    return [text(folder, "s.csv", frame)]


def no_ids(folder):
    return [text(folder, "s.csv", wai("wai{}").join(phq("phq9_{}")))]


def written_by_r(folder):
    """One row per client with R's row names, assessed before treatment and every second month."""
    scores = phq("b{}", 21).sum(axis=1)
    first = C.assign(bdi=scores).groupby("client")["bdi"].agg(list)
    frame = pd.DataFrame({"drug": ["Yes", "No"] * 20, "treatment": ["TAU", "TAU", "CBT", "CBT"] * 10})
    frame["bdi.pre"] = [each[0] for each in first]
    for at, month in enumerate((2, 4, 6), start=1):
        frame[f"bdi.{month}m"] = [each[at] for each in first]
    frame.index += 1
    frame.to_csv(folder / "trial.csv", quoting=csv.QUOTE_NONNUMERIC, na_rep="NA")
    return [folder / "trial.csv"]


def parts_of_the_alliance(folder):
    frame, items = C[KEYS].copy(), wai("{}")
    for part, numbers in {"goal": (4, 6, 8, 11), "task": (1, 2, 10, 12), "bond": (3, 5, 7, 9)}.items():
        own = items[[str(number) for number in numbers]]
        frame[f"WAI_{part}_mean"] = own.mean(axis=1).round(2)
        frame[f"WAIT_{part}"] = own.sum(axis=1)
    return [text(folder, "s.csv", frame.assign(PHQ9=phq("{}").sum(axis=1)))]


def centred_items(folder):
    task, goal, bond = (wai(f"wai_{part}{{}}", seed=at, n=3) for at, part in enumerate(("task", "goal", "bond")))
    frame = pd.concat([task, goal, bond, phq("bai_parcel{}", 3)], axis=1).astype(float)
    frame -= frame[C["session"] == 1].mean()
    return [text(folder, "s.csv", C[KEYS].join(frame.round(4)))]


def couples(folder):
    names = [f"{who}{number}" for number in range(1, 31) for who in ("F", "M")]
    frame = pd.DataFrame({"CoupleID": np.repeat(np.arange(1, 31), 2), "Role": ["Wife", "Husband"] * 30, "Who": names})
    return [text(folder, "dyads.csv", frame.assign(Warmth=np.tile([3.5, 4.25, 2], 20)))]


def files_of_two_clinics(folder):
    frame = C[[*KEYS, "date"]].join([wai("wai_c_{}"), phq("phq9_{}")])
    here = (frame["client"] < 120) | ((frame["client"] == 120) & (frame["session"] < 3))
    return [text(folder, "a.csv", frame[here]), text(folder, "b.csv", frame[~here])]


def named_items_and_totals(folder):
    """Each of four scales under its own name and a total beside them, as feedback tools export them."""
    frame = C[KEYS].rename(columns={"client": "Client ID", "therapist": "Provider", "session": "Session Number"})
    for form, level, ends in (
        ("ORS", "symptoms", ("Individually", "Interpersonally", "Socially", "Overall")),
        ("SRS", "alliance", ("Relationship", "Goals and Topics", "Approach or Method", "Overall")),
    ):
        scales = battery(C, level, "{}", 4, 0, 10, 7).astype(float)
        scales.columns = [f"{form} {end}" for end in ends]
        frame = frame.join(scales).assign(**{f"{form} Total": scales.sum(axis=1)})
    frame["Case Status"] = np.where(frame["Client ID"] % 3, "Closed", "Active")
    return [text(folder, "export.csv", frame)]


def a_total_and_its_parts(folder):
    items = phq("{}", 45, 0, 4)
    parts = {"OQ SD": items.iloc[:, :25], "OQ IR": items.iloc[:, 25:36], "OQ SR": items.iloc[:, 36:]}
    frame = C[KEYS].join(wai("wai_c_{}"))
    frame = frame.assign(**{name: part.sum(axis=1) for name, part in parts.items()}, **{"OQ Total": items.sum(axis=1)})
    return [text(folder, "s.csv", frame.assign(PHQ9=phq("p{}").sum(axis=1), PHQ9_alt=phq("p{}", seed=9).sum(axis=1)))]


def qualtrics_by_reference(folder):
    """A survey sent by a link per client: the tool's own column holds the ids."""
    names = ["ResponseId", "RecordedDate", "ExternalReference", "Q1", *(f"Q2_{n}" for n in range(1, 10))]
    labels = ["Response ID", "Recorded Date", "External Data Reference", "Which session was it?"]
    labels += [f"PHQ-9 - {n}" for n in range(1, 10)]
    with (folder / "survey.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerows([names, labels, [json.dumps({"ImportId": name}) for name in names]])
        rows = C[["date", "client", "session"]].join(phq("Q2_{}"))
        writer.writerows([f"R_{at}", *row] for at, row in enumerate(rows.itertuples(index=False)))
    return [folder / "survey.csv"]


def files_with_the_same_names(folder):
    """One file per questionnaire whose items are called item1, item2 ... in each."""
    keys = C[["client", "session"]]
    return [
        text(folder, "WAI-SR client.csv", keys.join(wai("item{}"))),
        text(folder, "PHQ9.csv", keys.join(phq("item{}"))),
        text(folder, "WAI-SRT therapist.csv", keys.join(wai("item{}", "alliance_t", n=10))),
        text(folder, "clients.csv", firsts()[["client", "therapist"]]),
    ]


def files_with_a_score_each(folder):
    keys = C[["client", "session"]]
    return [
        text(folder, "WAI-SR.csv", keys.assign(score=wai("{}").mean(axis=1).round(2))),
        text(folder, "OQ45.csv", keys.assign(score=phq("{}", 45, 0, 4).sum(axis=1))),
    ]


def answers_in_words(folder):
    """A survey tool's export with the text of each choice: adverbs, words with their numbers, words of another kind."""
    often = dict(zip(range(1, 6), ("Seldom", "Sometimes", "Fairly Often", "Very Often", "Always"), strict=True))
    said = dict(enumerate(("0 - Not at all", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10 - Fully")))
    days = dict(enumerate(("no day", "some days", "most days", "every day")))
    frame = C[KEYS].join(
        [
            wai("WAI_SR_c_{}").replace(often),
            battery(C, "alliance", "SRS_{}", 4, 0, 10, 6).replace(said),
            phq("PHQ9_{}").replace(days),
        ]
    )
    return [text(folder, "choices.csv", frame)]


def google_form(folder):
    """Questions are the names, and the time of day stands in words of its own."""
    stamp = C["date"].dt.strftime("%Y/%m/%d") + " 10:30:00 AM GMT+2"
    frame = pd.DataFrame({"Timestamp": stamp, "Your personal code": "AB" + C["client"].astype(str)})
    frame["Which session was this?"] = C["session"]
    return [text(folder, "form.csv", frame.assign(**{"PHQ-9 total score": phq("{}").sum(axis=1)}))]


def sosci(folder):
    """The tool numbers the interviews; its reference is the client, and the session has a name of the survey's."""
    frame = pd.DataFrame({"CASE": np.arange(len(C)) + 1, "REF": "K" + C["client"].astype(str), "SI01": C["session"]})
    frame["STARTED"] = C["date"].dt.strftime("%d.%m.%Y %H:%M")
    return [text(folder, "rdata.csv", frame.join([wai("WAI_{}")]), sep="\t", encoding="utf-16")]


def sheet_per_client(folder):
    with pd.ExcelWriter(folder / "all.xlsx") as book:
        for client, rows in C.head(40).groupby("client"):
            rows[["session"]].assign(PHQ9=12 + rows["session"] % 5).to_excel(book, sheet_name=f"C{client}", index=False)
    return [folder / "all.xlsx"]


def turned_table(folder):
    items = {f"Session {number}": wai("{}").iloc[number] for number in range(1, 9)}
    return [text(folder, "s.csv", pd.DataFrame({"Item": [f"WAI {number}" for number in range(1, 13)], **items}))]


def unread_dates(folder):
    days = (C["date"] - pd.Timestamp("1899-12-30")).dt.days
    frame = C[["client", "session"]].assign(Datum=days, PHQ9=phq("{}").sum(axis=1))
    frame["dropout"] = np.where(frame["client"] % 3, "nein", "ja")
    return [text(folder, "s.csv", frame)]


def row_of_labels(folder):
    """A row of labels below the names, as survey tools write for people."""
    items = [wai("W{}"), phq("P{}")]
    frame = C[["client", "session"]].rename(columns={"client": "ID", "session": "SES"}).join(items)
    labels = ["Client identifier", "Session number", *(f"Working Alliance Inventory {n}" for n in range(1, 13))]
    labels += [f"PHQ-9 {n}" for n in range(1, 10)]
    return [text(folder, "s.csv", pd.concat([pd.DataFrame([labels], columns=frame.columns), frame]))]


def workbook_with_codebook(folder):
    clients = pd.DataFrame({"PatNr": firsts()["client"], "TherNr": firsts()["client"] % 7 + 1})
    clients = clients.assign(**{"BDI_prä": 20 + clients["PatNr"] % 9, "Therapieende": "regulär"})
    clients.loc[::3, "Therapieende"] = "Abbruch"
    codes = pd.DataFrame({"Variable": ["PatNr", "PHQ"], "Bedeutung": ["Nummer", "Summe"], "Werte": ["", "0-27"]})
    scores = C[["client", "session"]].rename(columns={"client": "PatNr", "session": "Sitzung"})
    with pd.ExcelWriter(folder / "studie.xlsx") as book:
        codes.assign(Quelle="", Art="", Ort="").to_excel(book, sheet_name="Codebuch", index=False)
        clients.to_excel(book, sheet_name="Stammdaten", index=False)
        scores.assign(PHQ=phq("{}").sum(axis=1)).to_excel(book, sheet_name="Sitzungen", index=False)
    return [folder / "studie.xlsx"]


def episodes(folder):
    """Some clients come back to another therapist, and their sessions start at 1 again."""
    again = C[C["client"] % 4 == 0].assign(therapist="T77")
    frame = pd.concat([C[KEYS].assign(treatment_episode=1), again[KEYS].assign(treatment_episode=2)], ignore_index=True)
    return [text(folder, "s.csv", frame.assign(bdi=10 + frame.index % 30))]


def sheets_of_two_raters(folder):
    """One score of the same name from each, and other names for the keys."""
    clients = C[["client", "session"]].rename(columns={"client": "Patient ID", "session": "Session"})
    clients = clients.assign(WAI=wai("{}").mean(axis=1).round(2), PHQ9=phq("{}").sum(axis=1))
    therapists = C[KEYS].rename(columns={"client": "Pat", "therapist": "Therapist", "session": "Sess"})
    with pd.ExcelWriter(folder / "dyads.xlsx") as book:
        clients.to_excel(book, sheet_name="Patients", index=False)
        scores = wai("{}", "alliance_t", 3).mean(axis=1).round(2)
        therapists.assign(WAI=scores).to_excel(book, sheet_name="Therapists", index=False)
    return [folder / "dyads.xlsx"]


def names_in_other_languages(folder):
    """One clinic, its columns named in Polish; the column of the clients in Turkish."""
    frame = pd.DataFrame({"Danışan": C["client"], "Terapeuta": C["therapist"], "Sesja": C["session"]})
    scores = {"WAI pacjent": wai("{}").mean(axis=1), "WAI terapeuta": wai("{}", "alliance_t", 3).mean(axis=1)}
    return [text(folder, "s.csv", frame.assign(**scores, BDI=phq("{}", 21).sum(axis=1)).round(2))]


def ids_without_a_name(folder):
    """Nothing says client; once the ids are taken for it, the numbers that count up within each are the sessions."""
    frame = pd.DataFrame({"kod_x": "K" + C["client"].astype(str), "n": C["session"], "PHQ9": phq("{}").sum(axis=1)})
    return [text(folder, "s.csv", frame)]


def codes_of_answers(folder):
    """LimeSurvey exports the codes of answers: A1, A2 ..."""
    codes = dict(zip(range(1, 6), (f"A{number}" for number in range(1, 6)), strict=True))
    frame = C[["client", "session"]].join(wai("WAI[SQ{:03d}]").replace(codes))
    return [text(folder, "results.csv", frame)]
