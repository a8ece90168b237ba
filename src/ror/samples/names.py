"""
The words of a fictitious directory: people who do not exist, houses and streets that could be
anywhere.

Family names are invented and end like no register's list; first names are ordinary. Every structure
says in its own name that it is fictitious.
"""

LAST_NAMES = tuple(
    first + second
    for first in (
        "Fictiv",
        "Exempl",
        "Inventi",
        "Imagin",
        "Démonstr",
        "Essay",
        "Modèl",
        "Simul",
        "Factic",
        "Prototyp",
    )
    for second in ("al", "eau", "ert", "ier", "in", "oire", "ois", "on", "ot", "our")
)

FEMALE_FIRST_NAMES = (
    "Adèle", "Agathe", "Aïcha", "Alice", "Anaïs", "Anne", "Camille", "Cécile", "Chloé", "Claire",
    "Élodie", "Émilie",
    "Fatou", "Hélène", "Inès", "Jeanne", "Julie", "Léa", "Louise", "Maëlle", "Marie", "Mathilde",
    "Nadia", "Noémie",
    "Océane", "Pauline", "Sarah", "Solène", "Yasmine", "Zoé",
)  # fmt: skip

MALE_FIRST_NAMES = (
    "Alexandre", "Amadou", "Antoine", "Arthur", "Bastien", "Clément", "Damien", "Éric", "Étienne",
    "François",
    "Gaël", "Hugo", "Jérôme", "Jules", "Karim", "Léo", "Loïc", "Louis", "Lucas", "Malo", "Mathieu",
    "Nicolas",
    "Olivier", "Paul", "Rémi", "Samuel", "Théo", "Thomas", "Victor", "Yann",
)  # fmt: skip

HOUSE_NAMES = (
    "Les Tilleuls", "Les Glycines", "Les Marronniers", "Le Verger", "La Roseraie", "Les Hortensias",
    "Le Bel Air",
    "Les Jardins d'Hélios", "La Clairière", "Les Mimosas", "Le Colombier", "Les Peupliers",
    "La Fontaine",
    "Les Genêts", "Le Val Doré", "Les Alizés", "La Source", "Les Acacias", "Le Moulin",
    "Les Quatre Vents",
)  # fmt: skip

STREETS = (
    ("RUE", "Rue", "du Port"), ("RUE", "Rue", "des Essais"), ("RUE", "Rue", "de la Fontaine"),
    ("RUE", "Rue", "des Écoles"), ("RUE", "Rue", "du Moulin"), ("RUE", "Rue", "de l'Église"),
    ("RUE", "Rue", "des Lilas"), ("RUE", "Rue", "de la Gare"), ("AV", "Avenue", "de la République"),
    ("AV", "Avenue", "des Platanes"), ("AV", "Avenue", "du Général Fictif"), ("BD", "Boulevard",
    "de l'Océan"),
    ("BD", "Boulevard", "des Remparts"), ("PL", "Place", "du Marché"), ("PL", "Place",
    "de la Mairie"),
    ("CHE", "Chemin", "des Vignes"), ("CHE", "Chemin", "du Lavoir"), ("ALL", "Allée",
    "des Cerisiers"),
    ("IMP", "Impasse", "du Puits"), ("QU", "Quai", "des Mariniers"), ("RTE", "Route",
    "de la Forêt"),
    ("SQ", "Square", "Jean Exemple"),
)  # fmt: skip
"""Code of the kind of street (J219), the word people read, and the name."""

LOCALITIES = (
    "Kerdemo",
    "Le Bourg",
    "La Croix Neuve",
    "Les Essarts",
    "Bois Joli",
    "La Plaine Haute",
)

ROOM_NAMES = (
    "aile nord",
    "aile sud",
    "aile est",
    "aile ouest",
    "bâtiment A",
    "bâtiment B",
    "pavillon central",
)
