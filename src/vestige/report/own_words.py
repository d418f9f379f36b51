"""The words of vestige's own sentences (verdict, checks, measures, problems).

They name nobody there; a hash in their place would tell that some file or patient bears the name of
the word that is missing.
"""

OWN_WORDS = frozenset(
    """
about add after again against alarm alike all alone already also among an and another answered any
apart are area arxiv as ask asked at auc audit audited authpct average back be been beforehand
belong below beside bit bits black blatant blended
body border both brightened but by bytes cache calibrate
called can cannot cause centre chance change check checks classifier clipping closer cluster
clustering
clusters colour columns comb comes compare compared compares components compression computed
contrast control copies copy corrected cost
could count counts cropped cropping damaged darkened dcr
decide degrees depth detector detectors dicom differ difference different differently differs
distance distinct distribution does duplicate each earlier effort encoder error even every exactly
explains
expression factor facts failed fails false fellow few field file files fill find finding findings
finds fine first fits for format found frequency
from further gamma generated generator give given gives grey
group groups had half halves has have high higher highest histogram hold horizontal how ids image
images in inference interval into inverted is it its
jpeg judge keep kernel kind know known knows lacks
learned least less level levels lie logistic lowers lowest made make many may mean median
membership merely methods mirrored mode model more most
move moves much must named near nearer nearest
needed needs neither never no nobody noise none nor not nothing number of off on once one only
options or order orders other others out overshooting own padding palette parts pass passing
patient patients pays per pixel pixels plan planted possible power prepare prepared principal
privacy problem problems program property put
qualify quality quantile quantisation quarter queries query
random rank rate reach read real reals reconstruction record reference regression regular remove
repeated reported resize resizing roles rounding row rows
run runs same saved says scale scanner score
scored scores second see seeds seen sees separate separates set sets settings several share shares
shifted show shows side simple since single size sizes slope smooth smoothing so some source sources
specific
spectral split splits spread starts statement statistic statistics status steps stored stretched
such candidate candidates swapped switched synthetic table take takes tells test than that the their
them themselves then there these they this three to told too traces train trained training turned
twice two uncalibrated unchanged unknown unseen unused
upsampling used validity usual usually valid value verbatim
verdict vertical vetoes view volume volumes voxel voxels
warning was well were what when where whether which white window with
within without working would write written
""".split()  # noqa: SIM905
)
