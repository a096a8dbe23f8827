"""What every test shares."""

from hypothesis import settings

# A first call may import or compile, and a machine may be busy: time is what the benchmark measures.
settings.register_profile("pullback", deadline=None)
settings.load_profile("pullback")
