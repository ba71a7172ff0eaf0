"""What are spans and their attributes called?

`gen_ai.*`, `error.type`, `service.*` and `k8s.*` are OpenTelemetry's: the conventions for generative AI are still being
developed, so this is the only place that knows them. What they have no name for is ours, `keelstep.*`: people's
decisions, tiers, money. Nothing here stands for a payload, a person or a person's words.
"""

from collections.abc import Mapping

# of the spans themselves
RUN = "invoke_agent"
MODEL = "chat"
TOOL = "execute_tool"
ATTEMPT = "attempt"
GATE = "wait_for_approval"
FEEDBACK = "feedback"

# OpenTelemetry's
OPERATION = "gen_ai.operation.name"
AGENT = "gen_ai.agent.name"
AGENT_VERSION = "gen_ai.agent.version"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL = "gen_ai.tool.call.id"
EVALUATION = "gen_ai.evaluation.name"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
ERROR = "error.type"
POD = "k8s.pod.name"

# OpenTelemetry's, of the resource
SERVICE = "service.name"
SERVICE_VERSION = "service.version"
SERVICE_NAMESPACE = "service.namespace"
NAMESPACE = "k8s.namespace.name"

# ours
EXECUTION = "keelstep.execution.id"
EXECUTION_NAME = "keelstep.execution.name"
STRATEGY_DIGEST = "keelstep.strategy.digest"
ARM = "keelstep.arm"
ATTEMPT_NUMBER = "keelstep.attempt"
SEQ = "keelstep.seq"
OUTCOME = "keelstep.outcome"
REASON = "keelstep.reason"
SCOPE = "keelstep.scope"
COST = "keelstep.cost_usd"
BUDGET = "keelstep.budget_usd"
TOKENS = "keelstep.tokens"
STEPS = "keelstep.steps"
ORDINAL = "keelstep.model_call"
PRICES = "keelstep.price_table"
LATENCY = "keelstep.latency_ms"
TIER = "keelstep.tier"
KEY = "keelstep.idempotency_key"
CONTRACT_DIGEST = "keelstep.contract.digest"
PERFORMANCES = "keelstep.performances"
PERFORMANCE = "keelstep.performance"
REPLAYED = "keelstep.replayed_seq"
APPROVAL = "keelstep.approval_seq"
CACHED = "keelstep.cached_execution"
VIA = "keelstep.via"
UNDOES = "keelstep.undoes_seq"
EFFECT = "keelstep.policy.effect"
RULE = "keelstep.policy.rule"
QUESTION = "keelstep.question"
VERDICT = "keelstep.verdict"
PLANNED = "keelstep.planned_tools"

_PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""Where the conventions call a provider otherwise than models' names do; every other is called the same."""


def model(name: str) -> tuple[str, str]:
    """A model's provider, empty where its name has none, and what that calls it: `openai/gpt-4o` is both."""
    provider, slash, rest = name.partition("/")
    return (_PROVIDERS.get(provider, provider), rest) if slash else ("", name)
