"""
The kinds of offers that a hospital may have, by key: medicine, surgery, obstetrics, rehabilitation, psychiatry.

Names and activities respect the quality rules of the directory: an emergency offer is called so (CO1), a maternity has
the neighbours that its type requires (CO2), and a unit is flagged sensitive exactly when its name or activity betrays
it (CO3).
"""

from typing import Any

from ror.samples.catalogue import (
    ALL_AGES,
    ALWAYS,
    BED,
    CHILDREN,
    ELDERS,
    EVERY_DAY,
    PLACE,
    ROOM,
    SOME_DAYS,
    OfferKind,
)

_WARD: dict[str, Any] = {
    "field": "01", "care_mode": "28", "function": "001", "unit": BED, "hours": EVERY_DAY, "modalities": ("03", "01"),
    "staff": ("60", "35", "41"), "equipment": ("115", "112", "225", "089"),
}  # fmt: skip
_DAY: dict[str, Any] = {
    **_WARD,
    "care_mode": "29",
    "unit": PLACE,
    "size": (4, 16),
    "opening": "04",
    "hours": SOME_DAYS,
}
_AMBULATORY: dict[str, Any] = {**_DAY, "care_mode": "09", "equipment": ("072", "088", "212")}
_CLINIC: dict[str, Any] = {
    "field": "01",
    "care_mode": "32",
    "modalities": ("03", "04", "11"),
    "opening": "04",
}
_PLATFORM: dict[str, Any] = {
    "field": "01",
    "care_mode": "55",
    "unit": ROOM,
    "size": (1, 6),
    "opening": "04",
}
_CRITICAL: dict[str, Any] = {
    **_WARD, "size": (6, 16), "hours": ALWAYS, "critical": True, "staff": ("112", "60", "35"),
    "equipment": ("093", "134", "207", "186"), "acts": ("0658", "0236", "0650"),
}  # fmt: skip
_REHABILITATION: dict[str, Any] = {
    "field": "02", "care_mode": "28", "function": "004", "unit": BED, "size": (18, 45), "hours": EVERY_DAY,
    "specialties": ("SM29", "SM18"), "staff": ("70", "94", "91", "38"), "competences": ("38", "20"),
    "equipment": ("098", "099", "102", "150", "090"), "acts": ("0032", "0148", "1555"), "audience": ("07", "09"),
}  # fmt: skip
_PSYCHIATRY: dict[str, Any] = {
    "field": "03", "specialties": ("SM42", "SM33"), "staff": ("93", "69", "41"), "competences": ("24", "41"),
    "acts": ("0610", "0616", "0620", "1395"), "specialisations": ("07", "08", "09", "65"), "sector": "G",
}  # fmt: skip
_PSYCHIATRIC_WARD: dict[str, Any] = {
    **_PSYCHIATRY, "care_mode": "28", "function": "002", "unit": BED, "size": (15, 26), "hours": EVERY_DAY,
    "equipment": ("097", "130", "147"),
}  # fmt: skip
_SENSITIVE: dict[str, Any] = {
    "sensitive": True,
    "hours": ALWAYS,
    "modalities": ("03",),
    "competences": (),
}


def _kind(shared: dict[str, Any], name: str, category: str, activity: str, **own: Any) -> OfferKind:
    """One row: what its family shares, and what is its own."""
    return OfferKind(name=name, category=category, activity=activity, **{**shared, **own})


MATERNITY = {
    "01": ("obstetrics",),
    "02": ("obstetrics", "neonatology"),
    "03": ("obstetrics", "neonatology", "neonatal intensive"),
    "04": ("obstetrics", "neonatology", "neonatal intensive", "neonatal resuscitation"),
}
"""The offers that a maternity of each type must have (type in J227; quality rule CO2)."""

SENSITIVE = ("usmp", "uhsa", "nrbc", "uhsi", "smpr", "umj")
"""Sensitive units, given in turn to the hospitals."""

HOSPITAL_OFFERS: dict[str, OfferKind] = {
    # Medicine
    "cardiology": _kind(
        _WARD, "Cardiologie", "149", "013", specialties=("SM04", "SM73"), acts=("0172", "0178", "0250"),
    ),
    "pneumology": _kind(_WARD, "Pneumologie", "163", "114", specialties=("SM41",), acts=("0829", "0758")),
    "neurology": _kind(
        _WARD, "Neurologie", "161", "097", specialties=("SM32",), acts=("0649",), expertise=("47", "48"),
    ),
    "gastroenterology": _kind(_WARD, "Hépato-gastro-entérologie", "170", "046", specialties=("SM24",), acts=("0192",)),
    "endocrinology": _kind(
        _WARD, "Endocrinologie et diabétologie", "167", "041", care_mode="34", specialties=("SM62",),
    ),
    "nephrology": _kind(_WARD, "Néphrologie", "159", "095", specialties=("SM30",), acts=("0762",)),
    "dialysis": _kind(
        _DAY, "Hémodialyse en centre", "274", "059", care_mode="20", size=(8, 24), specialties=("SM30",),
        acts=("0657", "1452"), modalities=("23", "24"), audience=("09",),
    ),
    "oncology": _kind(
        _DAY, "Oncologie médicale", "171", "102", specialties=("SM36",), acts=("0652", "1018"), expertise=("26",)
    ),
    "haematology": _kind(
        _WARD, "Hématologie", "169", "055", specialties=("SM71", "SM21"), acts=("0650", "0223"),
        equipment=("010",),
    ),
    "infectious": _kind(
        _WARD, "Maladies infectieuses et tropicales", "168", "077", specialties=("SM58",), acts=("0501",),
    ),
    "internal": _kind(_WARD, "Médecine interne", "176", "085", specialties=("SM27", "SM72"), specialisations=("55",)),
    "general": _kind(_WARD, "Médecine polyvalente", "238", "083", specialties=("SM54",), audience=("07", "03")),
    "rheumatology": _kind(_DAY, "Rhumatologie", "165", "131", specialties=("SM48",), acts=("0041", "0257")),
    "dermatology": _kind(_CLINIC, "Dermatologie", "154", "037", ages=ALL_AGES, specialties=("SM15",), acts=("0404",)),
    "palliative": _kind(
        _WARD, "Soins palliatifs", "175", "170", size=(8, 14), specialties=("SM54",), staff=("93", "60"),
    ),
    "cardiology clinic": _kind(
        _CLINIC, "Consultations de cardiologie", "149", "013", specialties=("SM04",), acts=("0199", "0172"),
    ),
    "pain clinic": _kind(_CLINIC, "Consultations de la douleur", "126", "004", specialties=("SM02",), acts=("0608",)),
    "access": _kind(
        _CLINIC, "Permanence d'accès aux soins de santé (PASS)", "295", "285", care_mode="17", specialties=("SM54",),
        modalities=("06", "07"), audience=("06",), ages=ALL_AGES,
    ),
    "home hospital": _kind(
        _WARD, "Hospitalisation à domicile", "128", "285", care_mode="31", unit=PLACE, function="005", size=(20, 90),
        ages=ALL_AGES, specialties=("SM54",), modalities=("05",), outside_acts=("0652", "0527"), at_home=True,
        equipment=(), hours=ALWAYS,
    ),
    # Surgery
    "orthopaedics": _kind(
        _WARD, "Chirurgie orthopédique et traumatologique", "150", "025", specialties=("SM08",), acts=("0026", "0094"),
        equipment=("088", "072", "089"),
    ),
    "digestive": _kind(_WARD, "Chirurgie viscérale et digestive", "153", "033", specialties=("SM14",), acts=("0104",)),
    "day surgery": _kind(
        _AMBULATORY, "Chirurgie ambulatoire", "153", "033", specialties=("SM14", "SM08"), modalities=("17",),
    ),
    "urology": _kind(_WARD, "Urologie", "234", "031", specialties=("SM12",), acts=("0118", "0034")),
    "vascular": _kind(_WARD, "Chirurgie vasculaire", "152", "032", specialties=("SM13",), acts=("0021", "0076")),
    "neurosurgery": _kind(_WARD, "Neurochirurgie", "160", "096", specialties=("SM31",), acts=("0100",)),
    "otology": _kind(_WARD, "ORL et chirurgie cervico-faciale", "173", "016", specialties=("SM34",), acts=("0252",)),
    "ophthalmology": _kind(_AMBULATORY, "Ophtalmologie", "172", "103", specialties=("SM38",), acts=("0066", "0264")),
    "operating": _kind(
        _PLATFORM, "Bloc opératoire", "237", "007", function="006", size=(3, 14), specialties=("SM02",), ages=ALL_AGES,
        profession="60", equipment=("088", "072", "069", "227", "211"), modalities=("17",),
    ),
    # Women and children
    "gynaecology": _kind(
        _WARD, "Gynécologie", "157", "022", ages=(12, 120), specialties=("SM20", "SM51"), acts=("0189", "0054"),
        modalities=("03", "08"), specialisations=("64",), expertise=("31", "32"),
    ),
    "obstetrics": _kind(
        _WARD, "Maternité", "290", "100", ages=(12, 60), hours=ALWAYS, specialties=("SM20", "SM26"), profession="50",
        acts=("0717", "0810"), modalities=("03", "08"), staff=("50", "37", "83"), equipment=("145", "223"),
    ),
    "neonatology": _kind(
        _WARD, "Néonatalogie", "289", "094", ages=(0, 1), specialties=("SM87", "SM40"), staff=("37", "105"),
    ),
    "neonatal intensive": _kind(
        _CRITICAL, "Soins intensifs néonatals", "286", "369", ages=(0, 1), specialties=("SM87",),
    ),
    "neonatal resuscitation": _kind(
        _CRITICAL, "Réanimation néonatale", "287", "128", ages=(0, 1), specialties=("SM87",),
    ),
    "paediatrics": _kind(_WARD, "Pédiatrie", "162", "088", ages=CHILDREN, specialties=("SM40",), staff=("37", "105")),
    "family planning": _kind(
        _CLINIC, "Orthogénie", "157", "105", ages=(12, 60), specialties=("SM19",), modalities=("07", "08"),
        acts=("1304", "1244"), staff=("61", "128"),
    ),
    # Emergencies and critical care
    "emergencies": _kind(
        _CRITICAL, "Urgences polyvalentes", "20", "157", care_mode="33", unit="", function="005", ages=(15, 120),
        specialties=("SM59",), modalities=("06", "09"), equipment=("091", "092", "166"), acts=("0460", "1269"),
    ),
    "child emergencies": _kind(
        _CRITICAL, "Urgences pédiatriques", "311", "249", care_mode="33", unit="", function="005", ages=CHILDREN,
        specialties=("SM59", "SM40"), modalities=("06",), equipment=("136",),
    ),
    "smur": _kind(
        _CRITICAL, "Structure mobile d'urgence et de réanimation (SMUR)", "247", "136", care_mode="59", unit="",
        function="005", ages=ALL_AGES, specialties=("SM59",), modalities=("19", "02"), equipment=("064", "118", "138"),
        at_home=True, acts=("0460", "0631"),
    ),
    "samu": _kind(
        _CRITICAL, "SAMU - régulation médicale", "246", "273", care_mode="27", unit="", function="005", ages=ALL_AGES,
        specialties=("SM59",), modalities=(), equipment=(), acts=(), staff=("335", "115"),
    ),
    "short stay": _kind(
        _CRITICAL, "Unité d'hospitalisation de courte durée", "278", "083", care_mode="13", specialties=("SM59",),
    ),
    "resuscitation": _kind(_CRITICAL, "Réanimation polyvalente", "121", "127", specialties=("SM46", "SM02")),
    "cardiac intensive": _kind(
        _CRITICAL, "Soins intensifs de cardiologie (USIC)", "262", "354", specialties=("SM73", "SM04"),
    ),
    "stroke unit": _kind(
        _CRITICAL, "Unité neuro-vasculaire (USINV)", "263", "356", specialties=("SM32", "SM84"), expertise=("37", "38"),
        acts=("0460", "0700"),
    ),
    "step-down": _kind(_CRITICAL, "Surveillance continue polyvalente", "254", "373", specialties=("SM02",)),
    # Elders
    "acute geriatrics": _kind(
        _WARD, "Court séjour gériatrique", "156", "491", ages=(70, 120), specialties=("SM18",),
        acts=("0204", "0032"), modalities=("13",), audience=("01", "03"),
    ),
    "mobile geriatrics": _kind(
        _CLINIC, "Équipe mobile de gériatrie", "156", "050", care_mode="53", ages=ELDERS, specialties=("SM18",),
        modalities=("18", "19"), at_home=True, acts=("0204",), audience=("01",),
    ),
    "long stay": _kind(
        _WARD, "Unité de soins de longue durée", "249", "333", ages=ELDERS, size=(30, 60), specialties=("SM18",),
        audience=("01",),
    ),
    # Platforms
    "mri": _kind(
        _PLATFORM, "Imagerie par IRM", "164", "068", function="010", specialties=("SM74",),
        equipment=("054", "247", "052", "221"), acts=("0711", "1229"), ages=ALL_AGES,
    ),
    "scanner": _kind(
        _PLATFORM, "Scanner", "164", "070", function="010", specialties=("SM74",), equipment=("085", "222", "017"),
        acts=("0701", "1277"), ages=ALL_AGES,
    ),
    "interventional": _kind(
        _PLATFORM, "Radiologie interventionnelle", "164", "120", function="011", specialties=("SM94",),
        equipment=("083", "084", "226"), acts=("0184",),
    ),
    "nuclear": _kind(
        _PLATFORM, "Médecine nucléaire", "239", "632", function="029", specialties=("SM28",), acts=("0011",),
    ),
    "endoscopy": _kind(
        _PLATFORM, "Endoscopie digestive", "170", "348", function="009", specialties=("SM24",),
        acts=("0192", "0195"),
    ),
    "hyperbaric": _kind(
        _PLATFORM, "Médecine hyperbare", "09", "084", function="007", size=(1, 2), specialties=("SM02",),
        equipment=("161", "162", "163"), acts=("0686",), critical=True,
    ),
    "mortuary": _kind(
        _PLATFORM, "Chambre mortuaire", "83", "408", function="008", unit=PLACE, size=(4, 20), profession="35",
        equipment=("187", "188"), ages=ALL_AGES, modalities=(),
    ),
    # Rehabilitation
    "rehabilitation": _kind(_REHABILITATION, "SMR polyvalent", "100", "172", expertise=("27",)),
    "geriatric rehabilitation": _kind(
        _REHABILITATION, "SMR gériatrique", "101", "241", ages=ELDERS, specialties=("SM18",),
    ),
    "locomotor rehabilitation": _kind(
        _REHABILITATION, "SMR de l'appareil locomoteur", "102", "233", expertise=("17", "14"),
    ),
    "neurological rehabilitation": _kind(
        _REHABILITATION, "SMR du système nerveux", "103", "234", expertise=("18", "21"),
    ),
    "cardiac rehabilitation": _kind(
        _REHABILITATION, "SMR cardio-vasculaire", "104", "235", care_mode="29", unit=PLACE, size=(8, 20),
        hours=SOME_DAYS, expertise=("15",), function="012",
    ),
    "child rehabilitation": _kind(
        _REHABILITATION, "SMR de l'enfant et de l'adolescent", "109", "233", ages=CHILDREN,
        specialties=("SM40", "SM29"), expertise=("24",),
    ),
    # Psychiatry
    "psychiatric ward": _kind(
        _PSYCHIATRIC_WARD, "Hospitalisation psychiatrique de l'adulte", "16", "229", without_consent=True,
    ),
    "closed ward": _kind(_PSYCHIATRIC_WARD, "Hospitalisation en unité fermée", "68", "229", without_consent=True),
    "psychiatric intensive": _kind(
        _PSYCHIATRIC_WARD, "Soins intensifs psychiatriques", "15", "355", without_consent=True, critical=True,
    ),
    "adult centre": _kind(
        _PSYCHIATRY, "Centre médico-psychologique (CMP) adulte", "10", "229", care_mode="32",
        acts=("0610", "0768"),
    ),
    "child centre": _kind(
        _PSYCHIATRY, "Centre médico-psychologique de l'enfant et de l'adolescent", "281", "227", care_mode="32",
        ages=CHILDREN, specialties=("SM43", "SM92"), sector="I", specialisations=("02", "03"),
    ),
    "child day hospital": _kind(
        _PSYCHIATRY, "Hôpital de jour pédopsychiatrique", "11", "227", care_mode="29", ages=(3, 17),
        specialties=("SM43",), sector="I", function="002", unit=PLACE, size=(8, 20),
    ),
    "day hospital": _kind(
        _PSYCHIATRY, "Hôpital de jour de psychiatrie", "11", "229", care_mode="29", function="002", unit=PLACE,
        size=(10, 25),
    ),
    "night hospital": _kind(
        _PSYCHIATRY, "Hôpital de nuit", "12", "229", care_mode="30", function="002", unit=PLACE, size=(4, 12),
        hours=EVERY_DAY,
    ),
    "group activities": _kind(
        _PSYCHIATRY, "Activités thérapeutiques et temps de groupe (CATTG)", "05", "229", care_mode="42",
    ),
    "precarity team": _kind(
        _PSYCHIATRY, "Équipe mobile psychiatrie et précarité", "77", "229", care_mode="11", at_home=True,
        modalities=("19",), audience=("06",),
    ),
    "elders psychiatry team": _kind(
        _PSYCHIATRY, "Équipe mobile de géronto-psychiatrie", "78", "051", care_mode="53", ages=(65, 120),
        specialties=("SM93",), at_home=True, modalities=("18", "19"),
    ),
    "crisis centre": _kind(
        _PSYCHIATRY, "Centre d'accueil et de crise", "302", "612", care_mode="56", hours=ALWAYS,
        modalities=("06",), specialisations=("62",),
    ),
    "foster care": _kind(_PSYCHIATRY, "Accueil familial thérapeutique", "13", "229", care_mode="41", hours=EVERY_DAY),
    "addiction liaison": _kind(
        _PSYCHIATRY, "Équipe de liaison et de soins en addictologie", "272", "404", care_mode="52",
        modalities=("18",), specialisations=("10",), audience=("04",), acts=("0924", "0931"), sector="",
    ),
    # Sensitive units (the words of rule CO3 are in their names)
    "uhsa": _kind(
        _PSYCHIATRIC_WARD, "Unité hospitalière spécialement aménagée (UHSA)", "17", "229", without_consent=True,
        **{**_SENSITIVE, "sector": ""},
    ),
    "smpr": _kind(
        _PSYCHIATRY, "Service médico-psychologique régional (SMPR)", "14", "229", care_mode="32",
        **{**_SENSITIVE, "sector": ""},
    ),
    "usmp": _kind(
        _CLINIC, "Unité sanitaire en milieu pénitentiaire (USMP)", "309", "089", specialties=("SM54",),
        **_SENSITIVE,
    ),
    "uhsi": _kind(
        _WARD, "Unité hospitalière sécurisée interrégionale (UHSI)", "292", "083", specialties=("SM54",),
        **{**_SENSITIVE, "equipment": ("137",)},
    ),
    "nrbc": _kind(
        _CLINIC, "Unité de décontamination NRBC", "138", "157", care_mode="56", specialties=("SM59",),
        critical=True, equipment=("131", "132"), acts=("0006", "0007", "0008"), **_SENSITIVE,
    ),
    "umj": _kind(
        _CLINIC, "Unité médico-judiciaire, accueil sécurisé", "232", "152", specialties=("SM60",), acts=("0013",),
        audience=("10",), **_SENSITIVE,
    ),
}  # fmt: skip
