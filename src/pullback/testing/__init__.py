"""The contract that every mapping is held to, and `gradcheck` for functions of one's own."""

from .contract import LAWS, check_mapping
from .gradcheck import GradcheckError, GradientReport, gradcheck
from .law import Law, LawBroken, Outcome

__all__ = ["GradcheckError", "GradientReport", "LAWS", "Law", "LawBroken", "Outcome", "check_mapping", "gradcheck"]
