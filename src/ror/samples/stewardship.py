"""
What looks after the directory, in a handful of resources: entry templates, indicators and their
values, anomalies.

Templates and indicators open the stream. Values and anomalies close it, since they are about what
was generated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ror.samples.chance import Chance
from ror.samples.fragments import CANONICAL, NOS, SD, Json, concept, members
from ror.samples.registrar import Registrar
from ror.standard import geography

_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
_TASK_INPUT = CANONICAL + "CodeSystem/input-task-ror-codesystem"
_TASK_OUTPUT = CANONICAL + "CodeSystem/output-task-ror-codesystem"
_MEASURES = "https://www.example.org/ror/Measure/"

_EG = {"system": f"{NOS}TRE_R67-TypeStructure-EJ-EG/FHIR/TRE-R67-TypeStructure-EJ-EG", "code": "EG"}
_USAGE = CANONICAL + "CodeSystem/usage-context-ror-codesystem"
_FIELD = {"system": _USAGE, "code": "champAct"}
_FUNCTION = {"system": _USAGE, "code": "fonctionLieu"}


@dataclass(frozen=True, slots=True)
class Anomalous:
    """
    A resource that someone may complain about: its type, id and functional identifier, and who
    answers for it.
    """

    resource_type: str
    id: str
    identifier: Json
    owner: str


_TEMPLATES = (
    ("organization", "Organization", "Établissement d'hébergement", (("500", _EG, "J55"),)),
    (
        "healthcareservice",
        "HealthcareService",
        "Offre de médecine",
        (("355", _EG, "J55"), ("01", _FIELD, "J20")),
    ),
    (
        "location",
        "Location",
        "Lieu d'hébergement",
        (("355", _EG, "J55"), ("001", _FUNCTION, "J198")),
    ),
)
"""Name, type described, title, and where the template applies: code, kind of context, value set."""


def questionnaires(registrar: Registrar) -> Iterator[Json]:
    """The entry templates that records of the directory say they were typed with."""
    for number, (name, described, title, contexts) in enumerate(_TEMPLATES, 1):
        registrar.next_id("Questionnaire")
        launch = {
            "system": CANONICAL + "CodeSystem/ror-launch-context-codesystem",
            "code": "ror-structure",
        }
        yield {
            "resourceType": "Questionnaire",
            "id": f"ror-questionnaire-{name}",
            "meta": {
                "profile": (
                    SD + "ror-questionnaire-healthcareservice",
                    _SDC + "sdc-questionnaire-extr-defn",
                ),
                "lastUpdated": registrar.instant(30),
            },
            "extension": (
                {
                    "url": _SDC + "sdc-questionnaire-launchContext",
                    "extension": (
                        {"url": "name", "valueCoding": launch},
                        {"url": "type", "valueCode": described},
                    ),
                },
            ),
            "url": f"{CANONICAL}Questionnaire/ror-questionnaire-{name}",
            "identifier": ({"use": "official", "value": f"MS-FICTIF-{number}"},),
            "version": "1",
            "name": f"MS_FICTIF_{number}",
            "title": f"{title} (fictif)",
            "status": ("active", "active", "draft")[number - 1],
            "subjectType": (described,),
            "date": registrar.days_ago(30),
            "publisher": "Équipe fictive",
            "description": f"Modèle de saisie réduit : {title.lower()}",
            "useContext": [
                {"code": kind, "valueCodeableConcept": concept(value_set, code)}
                for code, kind, value_set in contexts
            ],
            "item": (
                {
                    "linkId": "name",
                    "definition": f"{SD}ror-{described.lower()}#{described}.name",
                    "text": "Nom",
                    "type": "string",
                    "required": True,
                },
            ),
        }


_INDICATORS = (
    ("capacite-a-jour", "Fraîcheur des données capacitaires",
     "Suivre la part des lieux d'hébergement dont la capacité a été mise à jour dans la journée"),
    ("RE1.2", "Récence",
    "Suivre la part des établissements dont les descriptions ont moins d'un an"),
    ("CO3", "Cohérence", "Suivre la part des unités sensibles signalées comme telles"),
)  # fmt: skip
_WEEKS = 4


def measures(registrar: Registrar) -> Iterator[Json]:
    """The indicators that are followed."""
    for identifier, topic, purpose in _INDICATORS:
        registrar.next_id("Measure")
        yield {
            "resourceType": "Measure",
            "id": identifier.lower(),
            "meta": {"profile": (SD + "ror-measure",), "lastUpdated": registrar.instant(60)},
            "url": _MEASURES + identifier.lower(),
            "identifier": ({"value": f"IND-{identifier}"},),
            "status": "active",
            "date": registrar.days_ago(60),
            "purpose": purpose,
            "topic": ({"text": topic},),
            "type": (
                {
                    "coding": (
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/measure-type",
                            "code": "process",
                        },
                    )
                },
            ),
            "group": ({"code": {"text": "ROR"}, "description": "Toutes les régions"},),
        }


def measure_reports(registrar: Registrar, reporter: str) -> Iterator[Json]:
    """The values of the indicators for the last weeks, reported by an Organization given by id."""
    regions = {code: geography.region_name(code) or code for code in members("J237")}
    for identifier, _, _ in _INDICATORS:
        for week in range(_WEEKS):
            start, end = registrar.days_ago(7 * week + 7), registrar.days_ago(7 * week + 1)
            groups = {"ROR": "France", **regions} if week == 0 else {"ROR": "France"}
            yield {
                "resourceType": "MeasureReport",
                "id": registrar.next_id("MeasureReport"),
                "meta": {
                    "profile": (SD + "ror-measurereport",),
                    "lastUpdated": registrar.instant(7 * week),
                },
                "identifier": ({"value": f"IND-{identifier}"},),
                "status": "complete",
                "type": "summary",
                "measure": _MEASURES + identifier.lower(),
                "date": registrar.instant(7 * week),
                "reporter": {"reference": f"Organization/{reporter}"},
                "period": {"start": start, "end": end},
                "group": [_group(registrar.chance, code, name) for code, name in groups.items()],
            }


def _group(chance: Chance, code: str, name: str) -> Json:
    score = Decimal(chance.between(600, 999)) / 10
    return {
        "code": {"coding": ({"code": code},), "text": name},
        "measureScore": {
            "value": score,
            "unit": "%",
            "system": "http://unitsofmeasure.org",
            "code": "%",
        },
    }


_COMPLAINTS = (
    (
        "06",
        "COR",
        "Le numéro de téléphone de l'accueil n'est plus attribué",
        "contact[0].telecom[0].value",
    ),
    ("01", "AJO", "Les horaires d'ouverture ne sont pas renseignés", "availableTime"),
    ("03", "COR", "Le nom ne correspond pas à l'activité", "name"),
    ("04", "COR", "La description n'a pas été revue depuis plus d'un an", "meta.lastUpdated"),
    ("05", "COR", "La structure de rattachement n'est pas la bonne", "partOf"),
    ("02", "SUP", "La fiche décrit une offre qui n'existe plus", "identifier"),
)
"""Theme (J241), action proposed (J242), description, path of the element in error."""

_STATUS_OF_BUSINESS_STATUS = {
    "01": "requested", "02": "accepted", "03": "cancelled", "04": "on-hold", "05": "received",
    "06": "on-hold",
    "07": "completed", "08": "completed", "09": "rejected", "10": "in-progress", "11": "on-hold",
}  # fmt: skip


def tasks(registrar: Registrar, anomalous: Sequence[Anomalous]) -> Iterator[Json]:
    """One anomaly in each state of treatment (J244), about the resources given in turn."""
    for rank, (business_status, status) in enumerate(_STATUS_OF_BUSINESS_STATUS.items()):
        focus = anomalous[rank % len(anomalous)]
        theme, action, description, path = _COMPLAINTS[rank % len(_COMPLAINTS)]
        resource_id = registrar.next_id("Task")
        created = registrar.days_ago(40 - rank)
        task: Json = {
            "resourceType": "Task",
            "id": resource_id,
            "meta": {"profile": (SD + "ror-task",), "lastUpdated": registrar.instant(20 - rank)},
            "identifier": ({"value": f"ANO-FICTIVE-{resource_id}"},),
            "status": status,
            "businessStatus": concept("J244", business_status),
            "intent": "order",
            "code": concept("J241", theme),
            "description": description,
            "focus": {
                "reference": f"{focus.resource_type}/{focus.id}",
                "type": focus.resource_type,
                "identifier": focus.identifier,
            },
            "executionPeriod": {"start": created},
            "authoredOn": created,
            "lastModified": registrar.days_ago(20 - rank),
            "owner": {"reference": f"Organization/{focus.owner}"},
            "reasonCode": concept("J242", action),
            "input": (
                _said("systemRequester", "valueString", "LOGICIEL-FICTIF"),
                _said("errorValue", "valueString", "valeur en erreur"),
                _said("proposedValue", "valueString", "valeur proposée"),
                _said(
                    "pathElementError",
                    "valueExpression",
                    {"language": "text/fhirpath", "expression": f"{focus.resource_type}.{path}"},
                ),
            ),
        }
        if status == "completed":
            task["executionPeriod"] = {"start": created, "end": registrar.days_ago(20 - rank)}
            new_value = {"coding": ({"system": _TASK_OUTPUT, "code": "newValue"},)}
            task["output"] = ({"type": new_value, "valueString": "valeur proposée"},)
        yield task


def _said(code: str, value_name: str, value: object) -> Json:
    return {"type": {"coding": ({"system": _TASK_INPUT, "code": code},)}, value_name: value}
