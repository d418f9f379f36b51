"""The words of vestige's own sentences (verdict, controls, measures, problems).

They name nobody there; a hash in their place would tell that some file or patient bears the name of
the word that is missing.
"""

OWN_WORDS = frozenset(
    """
about add against alarm all alone already also among and another answered any are arxiv auc audit
authpct average belong black blatant border but calibrate called can centre chance change closer
cluster clustering clusters columns compares control controls copies could dcr detector detectors
dicom differ differs duplicate each error every exactly explains expression failed false fellow
few file files fill finding findings finds fine first fits for found from generated generator give
given grey group groups has have high hold horizontal ids image images inference its judge keep
known lacks least level lie lowers many may mean median membership merely more most moves must
named near nearer nearest needs noise none not nothing one only other out passing patient patients
per pixels possible power privacy problem problems quantile queries query rank rate read real
reals reference regular remove roles row same says score scored scores seen separate set sets
several share shares show simple size sizes slope source spectral spread starts statement
statistic status such suspect suspects synthetic tells test than that the themselves there they
this train training twice two uncalibrated unknown unseen unused used valid value verdict vertical
vetoes warning was well were white with within without working write
""".split()  # noqa: SIM905
)
