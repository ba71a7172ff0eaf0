"""What does Kubernetes itself say? What the API server refuses, and what the kubelet says of a runner's Pod."""

from keelstep.domain.reasons.reason import Acts, Reason, Subject

REFUSALS = Subject(
    title="Refused by the API server",
    about=(
        "kubectl and keelstep print them as Error from server (REASON), with a message that names the field "
        "or the right; the views API answers in the same words. Programs of ours log them."
    ),
    reasons=(
        Reason(
            name="NotFound",
            meaning="There is no such object; of a view: no run of that name was ever recorded.",
            acts=Acts.REQUESTER,
            fix="Check name and namespace.",
            shows="kubectl, keelstep; log of a program",
        ),
        Reason(
            name="Forbidden",
            meaning=(
                "A right is missing, or an admission policy says no: an approval in another's name, a run in "
                "another's name, a gate or a status that only the operator writes."
            ),
            acts=Acts.PLATFORM,
            fix="Do it in your own name, or have the role that the message names bound to you.",
            shows="kubectl, keelstep; log of a program",
        ),
        Reason(
            name="AlreadyExists",
            meaning="There is an object of that name; whose it is, is asked next.",
            acts=Acts.NOBODY,
            fix="Nothing to do.",
            shows="log of a program",
        ),
        Reason(
            name="Conflict",
            meaning="Somebody changed the object meanwhile.",
            acts=Acts.NOBODY,
            fix="Nothing to do; it is read again.",
            shows="log of a program",
        ),
        Reason(
            name="Gone",
            meaning="The object, or the position of a list, is not there any more.",
            acts=Acts.NOBODY,
            fix="Nothing to do; it is read again.",
            shows="log of a program",
        ),
        Reason(
            name="KubernetesRefused",
            meaning="The API server refused, in a way that has no word of its own.",
            acts=Acts.PLATFORM,
            fix="See the message.",
            shows="log of a program",
        ),
        Reason(
            name="KubernetesUnavailable",
            meaning="The API server does not answer, or not now.",
            acts=Acts.NOBODY,
            fix="Nothing at first; if it lasts, see the API server. Runs go on without it.",
            shows="log of a program",
        ),
        Reason(
            name="Unauthorized",
            meaning="Only the API server may ask the views server.",
            acts=Acts.REQUESTER,
            fix="Ask through the API server, such as with kubectl get executiontraces.",
            shows="views API",
        ),
        Reason(
            name="BadRequest",
            meaning="The question cannot be understood.",
            acts=Acts.REQUESTER,
            fix="Correct what the message names.",
            shows="views API",
        ),
        Reason(
            name="MethodNotAllowed",
            meaning="Views are read, never written or watched.",
            acts=Acts.REQUESTER,
            fix="Use get and list.",
            shows="views API",
        ),
        Reason(
            name="ServiceUnavailable",
            meaning="The log cannot be read at this moment.",
            acts=Acts.PLATFORM,
            fix="Nothing at first; if it lasts, see whether NATS runs.",
            shows="views API",
        ),
    ),
)

PASSED_ON = Subject(
    title="Passed on from Kubernetes",
    about=(
        "Why the runner's Pod does not come up, in the kubelet's or the scheduler's own word. It stands in "
        "the Execution's REASON until it passes; the message is Kubernetes' own."
    ),
    reasons=(
        Reason(
            name="ErrImagePull",
            meaning="The image cannot be pulled.",
            acts=Acts.PLATFORM,
            fix=(
                "Correct the image (runner.image, or the operator's own setting), or the node's access to "
                "the registry."
            ),
            shows="Execution: status, Event",
        ),
        Reason(
            name="ImagePullBackOff",
            meaning="The image could not be pulled, and is tried again ever more slowly.",
            acts=Acts.PLATFORM,
            fix="As for ErrImagePull; it goes on by itself.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="ErrImageNeverPull",
            meaning="The image is not on the node, and may not be pulled.",
            acts=Acts.PLATFORM,
            fix="Load the image onto the node.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="InvalidImageName",
            meaning="The image's name cannot be read.",
            acts=Acts.AUTHOR,
            fix="Correct runner.image in the strategy.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="CreateContainerConfigError",
            meaning="The container cannot be configured, often for want of a Secret.",
            acts=Acts.PLATFORM,
            fix="See the message; describe the Pod.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="CreateContainerError",
            meaning="The container cannot be created.",
            acts=Acts.PLATFORM,
            fix="See the message; describe the Pod.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="RunContainerError",
            meaning="The container cannot be started.",
            acts=Acts.PLATFORM,
            fix="See the message: often an image without the runner's command.",
            shows="Execution: status, Event",
        ),
        Reason(
            name="Unschedulable",
            meaning="No node has had room for the Pod for a minute.",
            acts=Acts.PLATFORM,
            fix="Give the cluster more room, or ask for less in runner.resources.requests.",
            shows="Execution: status, Event",
        ),
    ),
)
