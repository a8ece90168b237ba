"""Who may call, and what was each granted?"""

from ror.clients.client import PUBLIC_PROFILE, Act, Action, Client, Kind, Rate, State, after, checked
from ror.clients.user_profiles import Announcements, UserProfile, announcements

__all__ = [
    "PUBLIC_PROFILE",
    "Act",
    "Action",
    "Announcements",
    "Client",
    "Kind",
    "Rate",
    "State",
    "UserProfile",
    "after",
    "announcements",
    "checked",
]
