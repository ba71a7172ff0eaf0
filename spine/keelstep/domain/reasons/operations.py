"""What does keeping an installation say? Archives, backups and what a restored log needs of a person."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

OPERATIONS = Subject(
    title="Archives and backups",
    about="Commands of whoever runs the installation end with these, in one line.",
    reasons=(
        Reason(
            name="ArchiveBroken",
            meaning="An archive is cut short, altered, or tells another story than the log.",
            acts=Acts.PLATFORM,
            fix="Keep the log; find out what happened to the file, and move it aside: the next run writes another.",
            shows="keelstep archive",
        ),
        Reason(
            name="ProjectorMissing",
            meaning="No projector follows the log, so nobody has the rows of what would be purged.",
            acts=Acts.PLATFORM,
            fix="Start the projector, or say --without-projector where the installation has none.",
            shows="keelstep archive",
        ),
        Reason(
            name="LogsArchived",
            meaning="Rows of archived runs cannot be made again from the stream.",
            acts=Acts.PLATFORM,
            fix="Rebuild with --forget-archived, then put them back with keelstep archive restore.",
            shows="keelstep rebuild",
        ),
        Reason(
            name="BackupBroken",
            meaning="The folder is no backup, or a file in it is not what it was.",
            acts=Acts.PLATFORM,
            fix="Use another backup.",
            shows="keelstep restore",
        ),
    ),
)
