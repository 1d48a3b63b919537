"""What researchers call things in the headers and cells of their files, in the languages of the field."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from alliance_analysis.study.vocabulary import (
    CLIENT,
    CONDITION,
    DATE,
    EPISODE,
    INTAKE,
    MODALITY,
    PHASE,
    PHASES,
    PLANNED_SESSIONS,
    SESSION,
    STATUS,
    THERAPIST,
)

RATER = "rater"
TREATMENT, POST, FOLLOW_UP = PHASES


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(words.split())


@lru_cache(maxsize=100_000)
def fold(text: str) -> str:
    """Return a text without accents and case.

    Examples
    --------
    >>> fold("Präsenz")
    'prasenz'
    """
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(one for one in plain if not unicodedata.combining(one)).casefold().strip()


_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_TOKEN = re.compile(r"[0-9]+|[^\W\d_]+")


@lru_cache(maxsize=100_000)
def tokens(name: str) -> tuple[str, ...]:
    """Return the words and the whole numbers of a name, folded.

    Examples
    --------
    >>> tokens("WAI_c_s03"), tokens("SitzungNr"), tokens("PHQ9.2")
    (('wai', 'c', 's', '03'), ('sitzung', 'nr'), ('phq', '9', '2'))
    """
    return tuple(_TOKEN.findall(fold(_CAMEL.sub(" ", name))))


# What a column is, by the words of its name. The first set settles it, the second only where nothing better is there.
NAMES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    CLIENT: (
        word_set(
            "client clientid clientnr clientno clientcode patient patientid patid patnr patientnr patientin pat "
            "pid ptid klient "
            "klientid klientin klientennummer subject subjectid subj participant participantid proband probandid "
            "vpn vp "
            "paciente client_id cliente patientnummer patientencode patientennummer dossier cliente usager "
            "deltager deltaker patienten klienten cid pseudonym chiffre chiffrenummer fallnummer casenumber "
            "patientennr clientnummer clientnumber patientnumber externaldatareference 患者 来访者 المريض العميل "
            "paziente pasient pasientnr klientnr pacjent danisan danısan hasta pacijent klijent patsient utente"
        ),
        word_set("id code case caseid fall fallnr record recordid key ident kennung nummer uid codice codigo "
            "externalreference ref reference serial pseudo"),
    ),
    THERAPIST: (
        word_set(
            "therapist therapistid ther therid therapeut therapeutin therapeutid thid tid thnr counselor counsellor "
            "clinician clinicianid provider practitioner behandler behandlerin behandelaar terapeuta therapeute "
            "terapeut terapist psykolog behandlare psykoterapeut psicoterapeuta psychologue psicologo "
            "intervenant 治疗师 المعالج therapeutennummer therapeutencode therapistcode"
        ),
        word_set("staff worker psychologist psychologe th trainee"),
    ),
    SESSION: (
        word_set(
            "session sessionnr sessionno sessionnumber sessnr sess sessno sitzung sitzungnr sitzungsnr "
            "sitzungsnummer "
            "sitz sitznr stunde stundennr therapiestunde seance sesion sessao seduta sessie sessienummer sessionsnr "
            "会谈 会话 الجلسة sessionid contact kontakt sz sesja seans samtal seanca sedute"
        ),
        word_set(
            "time timepoint occasion visit visitnr week woche wave welle mzp messzeitpunkt zeitpunkt termin "
            "appointment meeting measurement measure messung t occ assessment zp moment instance nr woche semaine "
            "semana month monat mois mes"
        ),
    ),
    DATE: (
        word_set("date datum sessiondate sitzungsdatum sessiondatum datesession fecha data dato tag day 日期 التاريخ"),
        word_set("recordeddate startdate enddate timestamp zeitstempel datetime completed submitted submitdate"),
    ),
    MODALITY: (
        word_set("modality format setting mode modalitat delivery kanal channel durchfuhrung online"),
        word_set("medium"),
    ),
    CONDITION: (
        word_set(
            "condition arm group gruppe treatment behandlung bedingung randomisation randomization randomised "
            "allocation intervention kondition groupe grupo studienarm treatmentgroup"
        ),
        word_set("tx trt cond"),
    ),
    STATUS: (
        word_set(
            "status dropout dropped dropouts completer completion termination terminated abbruch abschluss ende "
            "therapieende endstatus beendigung outcomestatus abbrecher discharge dischargereason abschlussart abschl "
            "beendigungsgrund endgrund therapieabschluss exitreason terminationtype terminationstatus"
        ),
        word_set("ended finished"),
    ),
    PLANNED_SESSIONS: (word_set("plannedsessions geplant geplantesitzungen"), word_set("kontingent")),
    PHASE: (
        word_set("phase event redcapeventname abschnitt timepoint zeitpunkt messzeitpunkt mzp"),
        word_set("stage wave occasion assessment visit"),
    ),
    EPISODE: (word_set("episode treatmentepisode behandlungsepisode therapienr therapiefolge course"), word_set("")),
    RATER: (
        word_set(
            "rater role rolle perspective perspektive respondent informant beurteiler source quelle ratedby "
            "filledby raterrole ausgefulltvon wer who person reporter evaluador"
        ),
        word_set("version form typ type"),
    ),
}  # fmt: skip

NUMBER_WORDS = word_set("nr no number num nummer numero id code count index lfd")
"""Words that go with another: `session_nr` is a session."""

NOT_IDS = word_set(
    "age alter sex gender geschlecht years jahre experience erfahrung name vorname nachname email mail "
    "phone initials "
    "birth geburt geburtsdatum dob orientation school burnout satisfaction education training comment "
    "notes diagnosis "
    "score sum mean total"
)
"""Words beside which `client` or `therapist` is no id but a description of the person."""

TOOL_COLUMNS = word_set(
    "responseid ipaddress progress durationinseconds finished recipientlastname recipientfirstname recipientemail "
    "locationlatitude locationlongitude distributionchannel userlanguage startdate enddate recordeddate respondentid "
    "collectorid datecreated datemodified emailaddress firstname lastname customdata submitdate lastpage startlanguage "
    "qrecaptchascore surveyid submissionid"
)
"""Columns that survey tools add of themselves; none of them names a client."""

ROW_NUMBERS = word_set("rownames unnamed0 x index lfdnr laufendenummer rownumber row obsno")
"""Columns in which programs count the rows of a file."""

OTHER_DATES = word_set(
    "birth geburt geburtsdatum dob birthday geb created modified erstellt consent einwilligung import naissance"
)
END_WORDS = word_set("end ende abschluss discharge termination entlassung last letzte closed closing exit fin")
START_WORDS = word_set("start beginn begin first erste anmeldung referral intake aufnahme registration")

RATER_WORDS: dict[str, frozenset[str]] = {
    "client": word_set(
        "client clients c cl pat patient patients pt p klient klientin k kl self selbst patientin cliente "
        "paciente paziente pasient pacjent danisan danısan hasta "
        "participant usager kunde proband user clientrated patientrated clientform 来访者 患者 العميل المريض"
    ),
    "therapist": word_set(
        "therapist therapists t th ther thp therapeut therapeutin counselor counsellor clinician terapeuta "
        "terapeut terapist "
        "therapeute "
        "tp therapistrated provider behandler tx terapeut thera therapistform 治疗师 المعالج"
    ),
    "observer": word_set(
        "observer obs o beobachter observador observateur fremd expert supervisor extern observerrated"
    ),
}
CLEAR_RATERS = {who: frozenset(word for word in words if len(word) > 2) for who, words in RATER_WORDS.items()}

PHASE_WORDS: dict[str, frozenset[str]] = {
    INTAKE: word_set(
        "intake pre pretest pretreatment baseline base bl aufnahme erstgesprach screening eingang prae pra anfang "
        "vorher "
        "beginn admission initial t0 prtx ingreso enrollment enrolment"
    ),
    TREATMENT: word_set(
        "treatment therapy session sessions sitzung sitzungen therapie behandlung during weekly verlauf"
    ),
    POST: word_set(
        "post posttest posttreatment end ende abschluss final discharge entlassung termination nachher "
        "abschlussmessung "
        "endpoint terminal exit"
    ),
    FOLLOW_UP: word_set("followup fu follow katamnese kat nachuntersuchung fup seguimiento suivi fu1 fu2 katamnese1"),
}

STATUS_WORDS: dict[str, frozenset[str]] = {
    "completed": word_set(
        "completed complete completer finished regular regulär regular planned beendet abgeschlossen einvernehmlich "
        "terminado termine ended reguläres completion regulares afgerond"
    ),
    "dropout": word_set(
        "dropout dropped abbruch abgebrochen abbrecher discontinued unplanned withdrew withdrawn noncompleter "
        "abandon "
        "quit attrition premature vorzeitig abandono dropouts"
    ),
    "referred": word_set("referred transferred uberwiesen verlegt referral transfer weitervermittelt"),
    "ongoing": word_set("ongoing laufend active aktiv current lauft running open offen continuing still andauernd"),
}
YES, NO = word_set("yes ja si oui true wahr y j"), word_set("no nein non false falsch n nee")

SESSION_MARKS = word_set(
    "s ses sess session sitz sitzung t tp time timepoint visit v w wk week woche m mzp wave welle occ occasion zp "
    "messzeitpunkt seance sesion sessie stunde std sz termin day tag se assessment zeitpunkt meas messung month monat"
)
TIME_UNITS = word_set(
    "d day days tage w wk wks week weeks woche wochen semaines semanas m mo mon month months monat monate "
    "mois meses y yr"
)
"""Units after a number in a name: `bdi_2m` was filled in after two months."""
CLEAR_SESSION_MARKS = word_set(
    "ses sess session sitz sitzung visit week woche mzp wave welle occasion seance sesion sessie stunde "
    "termin tp time timepoint"
)
ITEM_MARKS = word_set("i it item items q question frage f fr itm nr pregunta vraag no")
SCORE_WORDS = word_set(
    "total sum summe mean mw mittel mittelwert score gesamt tot avg average ges sumscore gesamtwert "
    "gesamtscore skala "
    "scale wert global summenwert totalscore m rohwert raw overall scaled totaal puntuacion"
)
MEAN_WORDS = word_set("mean mw mittel mittelwert avg average m")
SUM_WORDS = word_set("sum summe sumscore summenwert rohwert raw")
SUBSCALE_WORDS: dict[str, frozenset[str]] = {
    "goal": word_set("goal goals ziel ziele zielsetzung objetivo objetivos but doel"),
    "task": word_set("task tasks aufgabe aufgaben tache tarea tareas taak"),
    "bond": word_set("bond bonds bindung beziehung lien vinculo band"),
}
SYMPTOM_WORDS = word_set(
    "symptom symptoms symptomatik symptome distress belastung symptombelastung depression depressiveness "
    "anxiety angst "
    "depressivitat severity sintomas symptomes klachten problems impairment psychopathology dep anx"
)
ALLIANCE_WORDS = word_set(
    "alliance allianz alianza workingalliance therapeuticalliance arbeitsbundnis 治疗联盟 التحالف"
)


def _order(*ranks: str) -> dict[str, int]:
    return {word: rank for rank, words in enumerate(ranks) for word in words.split("|")}


ANSWER_ORDERS = (
    _order(
        "never|nie|niemals|jamais|nunca",
        "almost never|hardly ever|very rarely|fast nie|sehr selten|casi nunca|presque jamais",
        "rarely|seldom|selten|rarement|raramente|rara vez",
        "occasionally|gelegentlich|ocasionalmente|occasionnellement",
        "sometimes|manchmal|ab und zu|parfois|a veces|algunas veces|soms",
        "fairly often|ziemlich oft|assez souvent|bastante a menudo",
        "often|frequently|oft|haufig|souvent|a menudo|frecuentemente|vaak",
        "very often|very frequently|sehr oft|sehr haufig|tres souvent|muy a menudo",
        "almost always|usually|mostly|fast immer|meistens|meist|presque toujours|casi siempre",
        "always|immer|toujours|siempre|altijd",
    ),
    _order(
        "not at all|gar nicht|uberhaupt nicht|pas du tout|nada|helemaal niet",
        "a little|a little bit|slightly|ein wenig|ein bisschen|wenig|un peu|un poco|een beetje",
        "somewhat|moderately|mittelmassig|massig|moderement|moderadamente",
        "quite a bit|considerably|ziemlich|bastante",
        "very much|a lot|stark|sehr|beaucoup|mucho",
        "extremely|sehr stark|ausserst|extremement|extremadamente",
    ),
    _order(
        "strongly disagree|stimme gar nicht zu|stimme uberhaupt nicht zu|trifft gar nicht zu|trifft uberhaupt nicht zu",
        "disagree|stimme nicht zu|trifft nicht zu",
        "slightly disagree|somewhat disagree|stimme eher nicht zu|trifft eher nicht zu",
        "neutral|neither agree nor disagree|neither|teils teils|weder noch",
        "slightly agree|somewhat agree|stimme eher zu|trifft eher zu",
        "agree|stimme zu|trifft zu",
        "strongly agree|stimme voll zu|stimme voll und ganz zu|trifft voll zu|trifft voll und ganz zu",
    ),
)
"""How often, how much, how far one agrees: words of everyday language, folded, with their ranks."""
LAST_WORDS = word_set("last letzte letzter")
