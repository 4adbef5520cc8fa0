# What this room exports, and from where; read when a name is first used.
from .claim import Claim as Claim
from .claim import claim_names as claim_names
from .claim import load_claim as load_claim
from .claim import load_claims as load_claims
from .published import Published as Published
from .rebuilding import rebuild as rebuild
from .records import Rebuilt as Rebuilt
from .records import read_records as read_records
from .verdict import VERDICTS as VERDICTS
from .verdict import verdict as verdict
