"""Who may call, and what was each granted?"""

from ror.clients.announced import HEADERS, Rule, check_announced
from ror.clients.client import PUBLIC_PROFILE, Act, Action, Client, Kind, Rate, State, after, checked, rate_of
from ror.clients.user_profiles import Announcements, UserProfile, announcements

__all__ = [
    "HEADERS",
    "PUBLIC_PROFILE",
    "Act",
    "Action",
    "Announcements",
    "Client",
    "Kind",
    "Rate",
    "Rule",
    "State",
    "UserProfile",
    "after",
    "announcements",
    "check_announced",
    "checked",
    "rate_of",
]
