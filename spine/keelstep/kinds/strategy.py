"""AgentStrategy: what is this agent?

Its model, prompt, tools, limits and autonomy. One accepted content is one immutable revision; a running execution
keeps the revision it started with.
"""

from typing import Annotated, ClassVar, Literal

import pydantic

from keelstep.kinds import resource
from keelstep.kinds.resource import Column, Model

ModelName = Annotated[str, pydantic.Field(min_length=1, max_length=128)]
"""A model as the gateway knows it, pinned to a version."""


class ModelParameters(Model):
    """Sampling parameters sent with every model call. What is absent is not sent."""

    max_tokens: Annotated[int, pydantic.Field(ge=1, le=1_000_000)] = 1024
    """The most tokens one reply may have; also what a call reserves. Unit: tokens. Default: 1024."""
    temperature: resource.Decimal | None = None
    """Sampling temperature as a decimal string. Default: the provider's. Example: `"0.2"`."""
    top_p: resource.Decimal | None = None
    """Nucleus sampling as a decimal string. Default: the provider's. Example: `"0.9"`."""
    seed: Annotated[int, pydantic.Field(ge=0, le=2_147_483_647)] | None = None
    """Sampling seed, where the provider has one. Default: none."""


class ModelChoice(Model):
    """Which model proposes."""

    name: ModelName
    """The model, pinned. Example: `openai/gpt-4o-2024-08-06`."""
    parameters: ModelParameters = ModelParameters()
    """Sampling parameters. Default: 1024 tokens, the provider's sampling."""
    fallbacks: Annotated[list[ModelName], pydantic.Field(max_length=4)] = []
    """Models tried in this order when the one before fails. Default: none."""


class Slot(Model):
    """One typed hole of the prompt template, filled from the execution's `inputs`."""

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=63)]
    """The variable's name in the template. Example: `customer_name`."""
    type: Literal["string", "integer", "boolean", "array", "object"] = "string"
    """The JSON type an input must have. Default: string."""
    optional: bool = False
    """True lets an execution leave it out; the template then sees none. Default: false."""


class Prompt(Model):
    """What the model is told before the goal."""

    template: Annotated[str, pydantic.Field(min_length=1, max_length=32_768)]
    """A Jinja2 template, rendered as the system message. It may use the declared slots and `goal`, nothing else.
    Example: `You help {{ customer_name }} of the shop.`"""
    slots: Annotated[
        list[Slot],
        pydantic.Field(
            max_length=32,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []
    """The template's variables. Default: none."""


class ToolGrant(Model):
    """One tool the agent may call."""

    contract: resource.Name
    """The ToolContract's name, in the same namespace. Example: `orders.get`."""
    max_calls: Annotated[int, pydantic.Field(ge=1, le=10_000)] | None = None
    """The most calls of this tool in one execution. Default: only `limits.toolCalls`."""


class Limits(Model):
    """Hard bounds of one execution; reaching one ends the run with that reason."""

    steps: Annotated[int, pydantic.Field(ge=1, le=100_000)] = 100
    """Model turns and tool calls together. Default: 100."""
    model_calls: Annotated[int, pydantic.Field(ge=1, le=100_000)] = 50
    """Calls of the model. Default: 50."""
    tool_calls: Annotated[int, pydantic.Field(ge=1, le=100_000)] = 50
    """Calls of all tools. Default: 50."""
    tokens: Annotated[int, pydantic.Field(ge=1, le=1_000_000_000)] = 200_000
    """Tokens in and out of all model calls. Unit: tokens. Default: 200000."""
    cost_usd: Annotated[resource.Money, pydantic.Field(alias="costUSD")] = "1.00"
    """Cost of all model and tool calls. Unit: US dollars. Default: 1.00. Example: `"0.50"`."""
    wall_clock_seconds: resource.Seconds = 86_400
    """From start to end, waiting for people included. Unit: seconds. Default: 86400 (a day)."""
    unwind_seconds: Annotated[int, pydantic.Field(ge=10, le=86_400)] = 300
    """Time to undo what a run did that has failed or was cancelled, beyond its other limits; waiting for people is not
    included. What is not undone by then stands, and is listed. Unit: seconds. Default: 300."""


class Autonomy(Model):
    """What the agent may do without asking."""

    max_tier: Annotated[int, pydantic.Field(ge=0, le=3)] = 0
    """The highest consequence tier it may act on alone; tier 3 asks always. Default: 0 (read only)."""


class Criterion(Model):
    """One condition of success."""

    name: Annotated[str, pydantic.Field(min_length=1, max_length=63)]
    """What it is called in traces. Example: `customer-answered`."""
    expression: Annotated[str, pydantic.Field(min_length=1, max_length=2048)]
    """CEL over `output` (the final output) and `trace` (`steps`, `modelCalls`, `toolCalls`, `tokens`, and
    `tools`: calls that succeeded, by contract). Example: `trace.tools['ticket.reply'] == 1`."""


class Quantities(Model):
    """Amounts of compute, in Kubernetes quantities."""

    cpu: Annotated[str, pydantic.Field(pattern=r"^[0-9]+(\.[0-9]+)?m?$", max_length=16)] | None = None
    """Processor time. Unit: cores, or thousandths with `m`. Default: none. Example: `250m`."""
    memory: (
        Annotated[str, pydantic.Field(pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi)?$", max_length=16)] | None
    ) = None
    """Memory. Unit: bytes, or `Ki`, `Mi`, `Gi`. Default: none. Example: `256Mi`."""


class Resources(Model):
    """Compute of the runner's container."""

    requests: Quantities = Quantities()
    """What the scheduler sets aside. Default: none."""
    limits: Quantities = Quantities()
    """What the container may not exceed. Default: none."""


class Runner(Model):
    """Where the agent's loop runs."""

    image: Annotated[str, pydantic.Field(min_length=1, max_length=512)] | None = None
    """The runner's container image. Default: the operator's own setting.
    Example: `registry.shop.example/keelstep-runner:0.1.0`."""
    resources: Resources = Resources()
    """Compute of the runner's container. Default: none asked, none limited."""


class AgentStrategySpec(Model):
    """What an agent is. Every accepted content becomes an immutable revision."""

    version: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=63)]
    """The author's version, shown in every trace. Example: `1.4.0`."""
    model: ModelChoice
    """Which model proposes."""
    prompt: Prompt
    """What the model is told before the goal."""
    tools: Annotated[
        list[ToolGrant],
        pydantic.Field(
            max_length=64,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["contract"],
            },
        ),
    ] = []
    """The tools it may call; what is not listed is denied. Default: none."""
    limits: Limits = Limits()
    """Hard bounds of one execution."""
    autonomy: Autonomy = Autonomy()
    """What it may do without asking."""
    output_schema: resource.JsonObject | None = None
    """JSON Schema (2020-12) of the final output. Default: any text, as `{"text": …}`.
    Example: `{"type": "object", "required": ["answer"]}`."""
    success_criteria: Annotated[list[Criterion], pydantic.Field(max_length=16)] = []
    """All must hold for the run to succeed. Default: none, so a final output is success."""
    runner: Runner = Runner()
    """Where the agent's loop runs."""
    kill_switch: resource.KillSwitch = resource.KillSwitch()
    """Ends every execution of this strategy and starts no new one."""


class AgentStrategyStatus(Model):
    """What the operator found. Written by the operator alone."""

    observed_generation: Annotated[int, pydantic.Field(ge=0)] = 0
    """The generation the conditions speak of. Writer: operator."""
    conditions: resource.Conditions = []
    """Accepted, ResolvedRefs and their summary Ready. Writer: operator."""
    revision: Annotated[str, pydantic.Field(max_length=80)] = ""
    """SHA-256 of the accepted content, hex. Writer: operator."""
    kill_switch: resource.LatchedKill | None = None
    """The kill in force, if any. Writer: operator."""


class AgentStrategy(resource.Resource):
    """What an agent is: its model, prompt, tools, limits and autonomy."""

    crd: ClassVar[resource.CRD] = resource.CRD(
        kind="AgentStrategy",
        plural="agentstrategies",
        short_names=("strat",),
        columns=(
            Column(name="Version", path=".spec.version"),
            Column(name="Model", path=".spec.model.name"),
            Column(name="Max Tier", path=".spec.autonomy.maxTier", type="integer"),
            Column(name="Ready", path='.status.conditions[?(@.type=="Ready")].status'),
            Column(name="Reason", path='.status.conditions[?(@.type=="Ready")].reason'),
            Column(name="Age", path=".metadata.creationTimestamp", type="date"),
        ),
        root_rules=(
            (
                "size(self.metadata.name) <= 63",
                "metadata.name: at most 63 characters; it becomes a label",
            ),
        ),
    )
    spec: AgentStrategySpec
    status: AgentStrategyStatus = AgentStrategyStatus()
