"""
The kinds of offers outside hospitals, by key: social and medico-social care, then the practices of towns.

A structure that lodges people gives its category, whether it receives for a time or for good, and installed places, as
the quality rules CP5 and CP6 ask. Homes for the elderly receive from 60 years on.
"""

from typing import Any

from ror.samples.catalogue import (
    ADULTS,
    ALL_AGES,
    CHILDREN,
    ELDERS,
    EVERY_DAY,
    PLACE,
    SOME_DAYS,
    OfferKind,
)

_HOUSING: dict[str, Any] = {
    "field": "04", "care_mode": "46", "function": "003", "unit": PLACE, "reception": "02", "hours": EVERY_DAY,
    "profession": "60", "staff": ("35", "47", "25", "93"), "competences": ("45", "25"), "equipment": ("155", "157"),
}  # fmt: skip
_ELDERS: dict[str, Any] = {
    **_HOUSING, "ages": ELDERS, "audience": ("01",), "family": "011", "specialisations": ("28",),
    "housing": ("02", "01"),
    "competences": ("45", "42", "20"), "acts": ("0774", "0785", "0886"), "size": (30, 90),
    "equipment": ("152", "155", "089"),
}  # fmt: skip
_CHILDREN: dict[str, Any] = {
    **_HOUSING, "ages": (3, 20), "audience": ("02",), "family": "022", "specialisations": ("14", "02", "17"),
    "opening": "01", "staff": ("51", "48", "93", "96"), "competences": ("31", "29", "39"), "acts": ("0481", "1434"),
    "size": (10, 45), "profession": "96", "housing": ("02",), "equipment": ("101", "147"),
}  # fmt: skip
_DISABLED: dict[str, Any] = {
    **_HOUSING, "ages": (18, 65), "audience": ("02", "05"), "family": "011",
    "specialisations": ("16", "17", "22", "24"),
    "staff": ("47", "51", "53"), "competences": ("62", "49", "34"), "acts": ("0836", "0787"), "size": (12, 45),
    "housing": ("02", "03", "05"),
}  # fmt: skip
_AT_HOME: dict[str, Any] = {
    "field": "04", "care_mode": "49", "unit": PLACE, "size": (15, 90), "at_home": True, "hours": EVERY_DAY,
    "modalities": ("05",), "profession": "35", "reception": "02", "staff": ("350", "42"), "competences": ("46",),
}  # fmt: skip
_CARE: dict[str, Any] = {
    "field": "04",
    "care_mode": "32",
    "opening": "04",
    "staff": ("93", "41", "51"),
}
_PRACTICE: dict[str, Any] = {
    "field": "05", "care_mode": "32", "ages": ALL_AGES, "opening": "04", "modalities": ("03", "04"), "hours": SOME_DAYS,
}  # fmt: skip


def _kind(shared: dict[str, Any], name: str, category: str, activity: str, **own: Any) -> OfferKind:
    """One row: what its family shares, and what is its own."""
    return OfferKind(name=name, category=category, activity=activity, **{**shared, **own})


COMMUNITY_OFFERS: dict[str, OfferKind] = {
    # Elders
    "elders home": _kind(_ELDERS, "Hébergement permanent", "21", "293"),
    "protected unit": _kind(
        _ELDERS, "Unité de vie protégée", "24", "306", size=(10, 28), modalities=("20",),
        specialisations=("27", "28"),
    ),
    "temporary home": _kind(
        _ELDERS, "Hébergement temporaire", "21", "293", reception="01", size=(2, 10), modalities=("21",),
    ),
    "elders day": _kind(
        _ELDERS, "Accueil de jour", "21", "306", care_mode="47", size=(6, 14), hours=SOME_DAYS, opening="04",
        housing=(),
    ),
    "adapted care": _kind(
        _ELDERS, "Pôle d'activités et de soins adaptés (PASA)", "25", "306", care_mode="54", size=(12, 14),
        hours=SOME_DAYS, housing=(),
    ),
    "autonomy home": _kind(
        _ELDERS, "Hébergement en résidence autonomie", "22", "298", family="019", audience=("03",),
        housing=("03", "04", "05"), size=(30, 70), profession="35",
    ),
    "respite": _kind(
        _CARE, "Plateforme d'accompagnement et de répit", "38", "325", care_mode="54", ages=ADULTS,
        audience=("01", "02"), family="01", profession="60", acts=("0822", "0627"),
    ),
    # At home
    "home nursing": _kind(
        _AT_HOME, "Soins infirmiers à domicile", "28", "287", ages=ELDERS, audience=("01", "02"), family="005",
        profession="60", outside_acts=("0527", "0989"),
    ),
    "alzheimer team": _kind(
        _AT_HOME, "Équipe spécialisée Alzheimer", "29", "306", ages=ELDERS, audience=("01",), family="011",
        size=(8, 14), specialisations=("28",), acts=("0774",), profession="94",
    ),
    "home help": _kind(
        _AT_HOME, "Aide à domicile", "30", "293", ages=ADULTS, audience=("01", "02"), family="011",
        management=("01", "02"), outside_acts=("0781", "0782"),
    ),
    "help and nursing": _kind(
        _AT_HOME, "Aide et soins à domicile", "132", "287", ages=ADULTS, audience=("01", "02"), family="005",
        management=("01",), outside_acts=("0527",), profession="60",
    ),
    "meals": _kind(
        _AT_HOME, "Portage de repas à domicile", "33", "322", ages=ELDERS, audience=("01", "03"), family="065",
        size=(20, 60),
    ),
    "relief": _kind(
        _AT_HOME, "Relayage au domicile", "320", "394", ages=ADULTS, audience=("01", "02"), family="01",
        modalities=("25", "26"), size=(4, 10),
    ),
    # Children with disabilities
    "children boarding": _kind(_CHILDREN, "Internat d'institut médico-éducatif", "48", "300", ages=(6, 20)),
    "children day": _kind(
        _CHILDREN, "Semi-internat d'institut médico-éducatif", "48", "300", care_mode="47", ages=(6, 20),
        housing=(),
    ),
    "therapeutic institute": _kind(
        _CHILDREN, "Accueil thérapeutique, éducatif et pédagogique", "50", "289", specialisations=("26",),
        family="006",
    ),
    "motor institute": _kind(
        _CHILDREN, "Accueil d'enfants déficients moteurs", "49", "291", specialisations=("22", "66"),
        profession="70", family="009", equipment=("184", "103"),
    ),
    "home education": _kind(
        _AT_HOME, "Éducation spéciale et soins à domicile (SESSAD)", "57", "300", ages=(0, 20), audience=("02",),
        family="022", profession="96", specialisations=("02", "03"), size=(15, 45),
    ),
    "early action": _kind(
        _CARE, "Action médico-sociale précoce (CAMSP)", "61", "448", ages=(0, 6), audience=("02",), family="004",
        profession="10", specialties=("SM40",), specialisations=("02", "11"),
    ),
    "children consultation": _kind(
        _CARE, "Consultations médico-psycho-pédagogiques (CMPP)", "62", "289", ages=CHILDREN, audience=("02",),
        family="006", profession="91", specialisations=("11",),
    ),
    # Adults with disabilities
    "specialised home": _kind(
        _DISABLED, "Maison d'accueil spécialisée", "40", "293", acts=("0760",), equipment=("155", "229", "089"),
    ),
    "medical home": _kind(_DISABLED, "Foyer d'accueil médicalisé", "39", "293"),
    "life home": _kind(_DISABLED, "Foyer de vie", "97", "313", family="030", profession="35"),
    "workers home": _kind(
        _DISABLED, "Foyer d'hébergement", "96", "298", family="019", profession="35", housing=("03", "06", "07"),
    ),
    "disabled day": _kind(
        _DISABLED, "Accueil de jour pour adultes handicapés", "97", "313", care_mode="47", family="025",
        housing=(), hours=SOME_DAYS, opening="04", profession="94",
    ),
    "temporary disabled": _kind(
        _DISABLED, "Accueil temporaire pour adultes handicapés", "256", "293", reception="01", size=(4, 12),
    ),
    "work": _kind(
        _DISABLED, "Aide par le travail", "43", "304", care_mode="54", family="024", housing=(), hours=SOME_DAYS,
        opening="04", size=(30, 110), acts=("0795",), profession="94", equipment=(),
    ),
    "social support": _kind(
        _AT_HOME, "Accompagnement à la vie sociale (SAVS)", "31", "312", ages=(18, 65), audience=("02",),
        family="030", profession="94",
    ),
    "medical support": _kind(
        _AT_HOME, "Accompagnement médico-social (SAMSAH)", "32", "340", ages=(18, 65), audience=("02",),
        family="004", profession="60", specialisations=("16",),
    ),
    # Addictions, precarity, coordination
    "addiction care": _kind(
        _CARE, "Soins et prévention en addictologie (CSAPA)", "80", "404", audience=("04",), family="004",
        specialties=("SM42",), acts=("0044", "0924"), specialisations=("10",), modalities=("07", "03"),
    ),
    "harm reduction": _kind(
        _CARE, "Réduction des risques (CAARUD)", "81", "450", care_mode="54", audience=("04", "06"),
        profession="60", family="02", modalities=("06", "07"),
    ),
    "health beds": _kind(
        _HOUSING, "Lits halte soins santé", "93", "285", reception="01", audience=("06",), size=(6, 24),
        family="04",
    ),
    "therapeutic flat": _kind(
        _HOUSING, "Appartements de coordination thérapeutique", "94", "298", reception="01", audience=("06", "09"),
        size=(8, 24), family="019", housing=("03", "04"),
    ),
    "coordination": _kind(
        _CARE, "Dispositif d'appui à la coordination", "178", "335", care_mode="58", ages=ADULTS, profession="60",
        family="037", staff=("330", "54"), audience=("07", "09"), at_home=True,
    ),
    # Practices
    "general practice": _kind(
        _PRACTICE, "Médecine générale", "196", "437", function="023", specialties=("SM54", "SM53", "SM26"),
        acts=("0172", "1208", "1269"), outside_acts=("0989",), equipment=("153", "220"),
    ),
    "cardiology practice": _kind(
        _PRACTICE, "Cardiologie", "183", "013", function="022", specialties=("SM04",),
        acts=("0172", "0199", "0833"), equipment=("220", "030"),
    ),
    "dental practice": _kind(
        _PRACTICE, "Chirurgie dentaire", "226", "442", function="017", profession="40", acts=("1323", "0251"),
        equipment=("200", "199"),
    ),
    "orthodontics": _kind(
        _PRACTICE, "Orthopédie dento-faciale", "229", "104", function="017", profession="40",
        specialties=("SCD01",), ages=(6, 60),
    ),
    "physiotherapy": _kind(
        _PRACTICE, "Kinésithérapie", "195", "339", function="018", profession="70", acts=("1554", "1017", "0966"),
        outside_acts=("0989",), equipment=("150", "192"),
    ),
    "nursing practice": _kind(
        _PRACTICE, "Soins infirmiers", "225", "287", function="019", profession="60",
        modalities=("03", "05", "14"), outside_acts=("0362", "0724"), at_home=True, hours=EVERY_DAY,
    ),
    "advanced nursing": _kind(
        _PRACTICE, "Pratique avancée infirmière", "303", "614", profession="60", specialties=("SI01",),
        audience=("09",),
    ),
    "midwifery": _kind(
        _PRACTICE, "Maïeutique", "213", "282", function="020", profession="50", ages=(12, 60),
        acts=("1338", "1244", "0810"), outside_acts=("1530",),
    ),
    "otology practice": _kind(
        _PRACTICE, "Oto-rhino-laryngologie", "179", "016", function="021", specialties=("SM34", "SM39"),
        acts=("1219",),
    ),
    "eye practice": _kind(
        _PRACTICE, "Ophtalmologie", "221", "103", function="027", specialties=("SM38",), acts=("1656", "0264"),
        equipment=("252", "202"),
    ),
    "child practice": _kind(
        _PRACTICE, "Pédiatrie", "205", "088", function="026", ages=CHILDREN, specialties=("SM40",), acts=("1536",),
    ),
    "rheumatology practice": _kind(
        _PRACTICE, "Rhumatologie", "212", "131", function="025", specialties=("SM48",), acts=("0257",),
    ),
    "pneumology practice": _kind(
        _PRACTICE, "Pneumologie", "207", "114", function="028", specialties=("SM41",), acts=("0829",),
        equipment=("065",),
    ),
    "physical medicine": _kind(
        _PRACTICE, "Médecine physique et de réadaptation", "200", "090", function="024", specialties=("SM29",),
        acts=("0722",),
    ),
    "psychiatry practice": _kind(
        _PRACTICE, "Psychiatrie", "208", "229", specialties=("SM42",), acts=("0768",), ages=ADULTS,
    ),
    "skin practice": _kind(
        _PRACTICE, "Dermatologie", "190", "037", specialties=("SM15",), acts=("0053",), equipment=("213",),
    ),
    "gynaecology practice": _kind(
        _PRACTICE, "Gynécologie médicale", "194", "053", specialties=("SM19", "SM52"), acts=("1208", "1244"),
        ages=(12, 120),
    ),
    "speech therapy": _kind(_PRACTICE, "Orthophonie", "222", "200", profession="91", acts=("1572", "0481")),
    "orthoptics": _kind(_PRACTICE, "Orthoptie", "223", "106", profession="92", acts=("0412",)),
    "podiatry": _kind(_PRACTICE, "Pédicurie-podologie", "206", "201", profession="80", equipment=("236", "239")),
    "occupational therapy": _kind(
        _PRACTICE, "Ergothérapie", "216", "558", function="015", profession="94", acts=("0625",),
        outside_acts=("0989",),
    ),
    "dietetics": _kind(
        _PRACTICE, "Diététique et nutrition", "191", "549", function="016", profession="95", acts=("0545",),
    ),
    "imaging practice": _kind(
        _PRACTICE, "Imagerie médicale", "211", "067", function="010", specialties=("SM74",),
        acts=("1027", "1008", "1144"), equipment=("094", "246", "249"),
    ),
    "unplanned care": _kind(
        _PRACTICE, "Soins non programmés", "92", "475", care_mode="56", specialties=("SM54",), modalities=("06",),
        hours=EVERY_DAY, acts=("1269", "0172"),
    ),
    "pharmacy": _kind(
        _PRACTICE, "Pharmacie d'officine", "312", "628", care_mode="54", profession="21", acts=("1678", "1447"),
        modalities=("06",),
    ),
}  # fmt: skip
