"""What the commands of LaTeX look like."""

from __future__ import annotations

from .tree import ADDING, MULTIPLYING, RELATION, SHIFT

__all__ = [
    "ACCENTS",
    "BIG",
    "CLOSING",
    "FACTORS",
    "FENCES",
    "FUNCTIONS",
    "INFIX",
    "LETTERS",
    "OPENING",
    "PREFIX",
    "SCRIPT",
    "SIGN",
    "SPACING",
    "SUBSCRIPTS",
    "SUPERSCRIPTS",
]


def _words(table: str) -> list[str]:
    return table.split()


def _pairs(table: str) -> dict[str, str]:
    words = _words(table)
    return dict(zip(words[::2], words[1::2], strict=True))


LETTERS = _pairs(
    "alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν "
    "xi ξ pi π rho ρ sigma σ tau τ upsilon υ phi φ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ "
    "Xi Ξ Pi Π Sigma Σ Phi Φ Psi Ψ Omega Ω ell ℓ infty ∞ ldots … dots … cdots ⋯ prime ′ top ᵀ"
)
SCRIPT = {"U": "𝒰", "N": "𝒩", "B": "ℬ", "L": "ℒ", "D": "𝒟", "F": "ℱ"}
FUNCTIONS = set(_words("ln log exp sin cos tan sinh cosh tanh arcsin arccos arctan max min"))
BIG = {"sum": "Σ", "prod": "∏", "bigvee": "⋁", "bigwedge": "⋀"}
PREFIX = {"neg": "¬", "partial": "∂", "nabla": "∇"}
SIGN = {"sim": "∼", "&": "&", "|": "|", "_": "_"}
ACCENTS = {"hat": "\u0302", "overline": "\u0305", "bar": "\u0305", "tilde": "\u0303"}

INFIX = {
    sign: (shown, strength)
    for strength, table in {
        RELATION: "= = < < > > ∼ ∼ neq ≠ ne ≠ leq ≤ le ≤ geq ≥ ge ≥ sim ∼ approx ≈ in ∈ leftarrow ← to → mid ∣ "
        "propto ∝",
        SHIFT: "ll ≪ gg ≫ wedge ∧ vee ∨ oplus ⊕ & & | |",
        ADDING: "+ + - − pm ±",
        MULTIPLYING: "cdot · star ⋆ * · times × odot ⊙ otimes ⊗ bmod mod / /",
    }.items()
    for sign, shown in _pairs(table).items()
}
"""What stands between two operands: the sign it is drawn with, and how tightly it binds."""

FENCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "(": ("(", (")", "]")),
    "[": ("[", ("]", ")")),
    "\\{": ("{", ("\\}",)),
    "|": ("|", ("|",)),
    "lfloor": ("⌊", ("rfloor",)),
    "lceil": ("⌈", ("rceil",)),
    "lVert": ("‖", ("rVert",)),
}
"""What opens a fence: the sign it is drawn with, and what may close it."""
CLOSING = {")": ")", "]": "]", "\\}": "}", "|": "|", "rfloor": "⌋", "rceil": "⌉", "rVert": "‖"}
OPENING = {"{", "\\{", "(", "[", "|"}
FACTORS = {*LETTERS, *FUNCTIONS, *BIG, *PREFIX, *ACCENTS, "frac", "sqrt", "lfloor", "lceil", "lVert"}
SPACING = {("space", " "), *(("command", name) for name in (",", ";", ":", "!", " ", "quad", "left", "right"))}

SUPERSCRIPTS = dict(
    zip(
        "0123456789−abcdefghijklmnoprstuvwxyzT∗′",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀ*′",
        strict=True,
    )
)
SUBSCRIPTS = dict(zip("0123456789aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
