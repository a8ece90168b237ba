"""
The kinds of establishments of the directory, and the share of the offers that each kind carries.

A model names the offers it always has and those it may have. Shares come from what the directory
describes today, rounded: a little under half of the offers in hospitals, the rest between
medico-social care and practices.
"""

from dataclasses import dataclass

HOSPITAL, HOME, AT_HOME, CARE, PRACTICE = "hospital", "home", "at home", "care", "practice"
"""
Families of establishments: what they publish besides their offers (prices, helps, crisis data).
"""


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of establishment. In names, {commune} and {house} are replaced."""

    name: str
    category: str  # J55
    share: float  # of the offers of the directory, in no particular unit
    family: str
    owner: str
    legal_status: str  # J199
    aggregate: str  # J200
    offers: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    extra: tuple[int, int] = (0, 0)  # how many of `among`
    maternity: tuple[str, ...] = ("",)  # types (J227) in turn, "" for none
    participation: str = "0"  # J202

    @property
    def size(self) -> float:
        """Offers of an average establishment of this kind."""
        return len(self.offers) + sum(self.extra) / 2


_PUBLIC_HOSPITAL = ("Centre hospitalier fictif de {commune}", "13", "1200")
_COMPANY = ("SAS fictive de soins de {commune}", "95", "2200")
_ASSOCIATION = ("Association fictive d'accompagnement de {commune}", "60", "2100")
_FOUNDATION = ("Fondation fictive {house}", "63", "2100")
_TOWN = ("Centre communal d'action sociale fictif de {commune}", "17", "1100")

_MEDICINE = (
    "pneumology", "neurology", "gastroenterology", "endocrinology", "nephrology", "dialysis",
    "oncology", "haematology",
    "infectious", "internal", "rheumatology", "dermatology", "palliative", "cardiology clinic",
    "pain clinic", "access",
    "otology", "ophthalmology", "urology", "vascular", "gynaecology", "family planning",
    "paediatrics",
    "child emergencies",
    "stroke unit", "cardiac intensive", "step-down", "acute geriatrics", "mobile geriatrics",
    "long stay",
    "interventional",
    "nuclear", "endoscopy", "hyperbaric", "mortuary", "home hospital", "addiction liaison",
    "geriatric rehabilitation",
    "cardiac rehabilitation", "neurological rehabilitation", "psychiatric ward", "adult centre",
)  # fmt: skip
_PRACTICES = (
    "general practice", "nursing practice", "physiotherapy", "dental practice", "general practice",
    "speech therapy",
    "midwifery", "podiatry", "general practice", "cardiology practice", "eye practice",
    "psychiatry practice",
    "skin practice",
    "child practice", "nursing practice", "gynaecology practice", "orthoptics", "otology practice",
    "occupational therapy",
    "rheumatology practice", "dietetics", "pneumology practice", "orthodontics",
    "physical medicine",
    "advanced nursing",
)  # fmt: skip

MODELS = (
    Model("CHU fictif de {commune}", "101", 5, HOSPITAL, "CHU fictif de {commune}", "15", "1200",
          ("emergencies", "child emergencies", "smur", "samu", "short stay", "resuscitation",
          "cardiology", "general",
           "orthopaedics", "digestive", "neurosurgery", "operating", "mri", "scanner",
           "day surgery"),
          _MEDICINE, (30, 40), maternity=("04",), participation="1"),
    Model("Centre hospitalier fictif de {commune}", "355", 17, HOSPITAL, *_PUBLIC_HOSPITAL,
          ("emergencies", "smur", "short stay", "cardiology", "general", "digestive", "operating",
          "scanner"),
          _MEDICINE, (8, 16), maternity=("02", "01", "03", ""), participation="1"),
    Model("Hôpital de proximité fictif de {commune}", "106", 6, HOSPITAL, *_PUBLIC_HOSPITAL,
          ("general", "rehabilitation", "long stay"),
          ("access", "palliative", "mobile geriatrics", "cardiology clinic", "emergencies"), (1, 4),
          participation="1"),
    Model("Clinique fictive {house}", "365", 8, HOSPITAL, *_COMPANY,
          ("day surgery", "orthopaedics", "digestive", "operating"),
          ("urology", "ophthalmology", "otology", "gynaecology", "vascular", "endoscopy",
          "oncology", "mri"),
          (3, 6), maternity=("", "01", "")),
    Model("Établissement public de santé mentale fictif de {commune}", "292", 6, HOSPITAL,
          "Établissement public de santé mentale fictif de {commune}", "11", "1200",
          ("psychiatric ward", "closed ward", "adult centre", "child centre", "day hospital"),
          ("psychiatric intensive", "child day hospital", "night hospital", "group activities",
          "precarity team",
           "elders psychiatry team", "crisis centre", "foster care", "adult centre"),
          (4, 8), participation="1"),
    Model("Centre de réadaptation fictif {house}", "109", 3, HOSPITAL, *_FOUNDATION,
    ("rehabilitation",),
          ("geriatric rehabilitation", "locomotor rehabilitation", "neurological rehabilitation",
           "cardiac rehabilitation", "child rehabilitation"),
          (1, 3), participation="6"),
    Model("Hospitalisation à domicile fictive de {commune}", "127", 0.6, HOSPITAL, *_ASSOCIATION,
          ("home hospital",), participation="6"),
    Model("Centre de dialyse fictif de {commune}", "141", 0.5, HOSPITAL, *_ASSOCIATION,
    ("dialysis",),
          participation="7"),
    Model("EHPAD {house} (fictif)", "500", 9, HOME, "EHPAD public fictif de {commune}", "21",
    "1200",
          ("elders home",), ("temporary home", "elders day", "protected unit", "adapted care",
          "respite"), (1, 3)),
    Model("Résidence autonomie {house} (fictive)", "202", 1.5, HOME, *_TOWN, ("autonomy home",)),
    Model("Accueil de jour {house} (fictif)", "207", 0.4, HOME, *_ASSOCIATION, ("elders day",)),
    Model("SSIAD fictif de {commune}", "354", 1.8, AT_HOME, *_ASSOCIATION, ("home nursing",),
    ("alzheimer team",),
          (0, 1)),
    Model("Service autonomie aide fictif de {commune}", "460", 2, AT_HOME, *_TOWN, ("home help",),
          ("meals", "relief"), (0, 2)),
    Model("Service autonomie aide et soins fictif de {commune}", "209", 1, AT_HOME, *_ASSOCIATION,
          ("help and nursing",), ("alzheimer team", "meals"), (0, 2)),
    Model("IME {house} (fictif)", "183", 2, HOME, *_ASSOCIATION, ("children day",),
    ("children boarding",), (0, 1)),
    Model("ITEP {house} (fictif)", "186", 0.6, HOME, *_ASSOCIATION, ("therapeutic institute",)),
    Model("Institut d'éducation motrice {house} (fictif)", "192", 0.4, HOME, *_FOUNDATION,
    ("motor institute",)),
    Model("SESSAD fictif de {commune}", "182", 1, AT_HOME, *_ASSOCIATION, ("home education",)),
    Model("CMPP fictif de {commune}", "189", 0.6, CARE, *_ASSOCIATION, ("children consultation",)),
    Model("CAMSP fictif de {commune}", "190", 0.5, CARE, *_ASSOCIATION, ("early action",)),
    Model("MAS {house} (fictive)", "255", 0.8, HOME, *_FOUNDATION, ("specialised home",),
    ("temporary disabled",),
          (0, 1)),
    Model("Établissement d'accueil médicalisé {house} (fictif)", "448", 0.8, HOME, *_ASSOCIATION,
    ("medical home",),
          ("disabled day", "temporary disabled"), (0, 1)),
    Model("Foyer de vie {house} (fictif)", "449", 0.8, HOME, *_ASSOCIATION, ("life home",),
    ("disabled day",),
          (0, 1)),
    Model("Foyer d'hébergement {house} (fictif)", "252", 0.5, HOME, *_ASSOCIATION,
    ("workers home",)),
    Model("ESAT {house} (fictif)", "246", 0.9, CARE, *_ASSOCIATION, ("work",)),
    Model("SAVS fictif de {commune}", "446", 0.5, AT_HOME, *_ASSOCIATION, ("social support",)),
    Model("SAMSAH fictif de {commune}", "445", 0.4, AT_HOME, *_ASSOCIATION, ("medical support",)),
    Model("CSAPA fictif de {commune}", "197", 0.5, CARE, *_ASSOCIATION, ("addiction care",)),
    Model("CAARUD fictif de {commune}", "178", 0.3, CARE, *_ASSOCIATION, ("harm reduction",)),
    Model("Lits halte soins santé fictifs de {commune}", "180", 0.3, HOME, *_ASSOCIATION,
    ("health beds",)),
    Model("Appartements de coordination fictifs de {commune}", "165", 0.3, HOME, *_ASSOCIATION,
          ("therapeutic flat",)),
    Model("Dispositif d'appui à la coordination fictif de {commune}", "606", 0.4, CARE,
    *_ASSOCIATION,
          ("coordination",)),
    Model("Cabinet fictif, {house}", "SA07", 5, PRACTICE, "Cabinet fictif, {house}", "70", "2200",
    (), _PRACTICES,
          (1, 1)),
    Model("Cabinet de groupe fictif {house}", "SA08", 10, PRACTICE, "SCM fictive {house}", "79",
    "2200", (),
          _PRACTICES, (2, 3)),
    Model("SELARL fictive {house}", "SA09", 3, PRACTICE, "SELARL fictive {house}", "85", "2200", (),
    _PRACTICES,
          (1, 3)),
    Model("Imagerie médicale fictive de {commune}", "SA09", 0.8, PRACTICE,
    "SELARL fictive d'imagerie de {commune}",
          "85", "2200", ("imaging practice",)),
    Model("Centre de santé fictif de {commune}", "124", 2.5, CARE, *_TOWN, ("general practice",
    "nursing practice"),
          _PRACTICES[3:], (1, 4)),
    Model("Maison de santé fictive {house}", "603", 4, CARE, "SISA fictive {house}", "80", "2200",
          ("general practice", "nursing practice", "physiotherapy"), _PRACTICES[3:], (1, 4)),
    Model("Pharmacie fictive {house}", "620", 1, CARE, "Pharmacie fictive {house}", "85", "2200",
    ("pharmacy",)),
    Model("Lieu de soins non programmés fictif de {commune}", "617", 0.6, CARE, *_COMPANY,
    ("unplanned care",)),
)  # fmt: skip


class Steering:
    """Which model comes next, so that at any point each has carried its share of the offers."""

    def __init__(self) -> None:
        total = sum(model.share for model in MODELS)
        self._sizes = [model.size for model in MODELS]
        self._shares = [model.share / total for model in MODELS]
        # Each begins half an establishment ahead: large ones then come early, and a small directory
        # has one too.
        self._carried = [-size / 2 for size in self._sizes]
        self._all = 0
        self._chosen = 0

    def choose(self, room: float) -> Model:
        """
        The model most behind its share, among those that fit in the room left (counted in offers).
        """
        room = max(room, min(self._sizes))
        behind = [
            share * self._all - carried if size <= room else float("-inf")
            for share, carried, size in zip(self._shares, self._carried, self._sizes, strict=True)
        ]
        self._chosen = behind.index(max(behind))
        return MODELS[self._chosen]

    def carried(self, offers: int) -> None:
        """Note how many offers an establishment of the model chosen last turned out to have."""
        self._carried[self._chosen] += offers
        self._all += offers
