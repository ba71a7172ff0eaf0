{{/* Ways out, as rules of a NetworkPolicy. */}}

{{- define "keelstep.ports" -}}
{{- $ports := list }}
{{- range . }}
{{- $ports = append $ports (dict "protocol" "TCP" "port" .) }}
{{- end }}
{{- toJson $ports }}
{{- end }}

{{- define "keelstep.tenants.selector" -}}
{{- if has "*" .Values.tenants -}}
{}
{{- else -}}
{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: {{ toJson .Values.tenants }}}]}
{{- end -}}
{{- end }}

{{- define "keelstep.to.names" -}}
- to: {{ toJson .Values.networkPolicies.dnsPeers }}
  ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
{{- end }}

{{- define "keelstep.to.broker" -}}
{{- if .Values.embedded.enabled -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
      podSelector:
        matchLabels: {{ include "keelstep.program.selector" (list . "nats") | nindent 10 }}
  ports: [{protocol: TCP, port: 4222}]
{{- else -}}
- ports: {{ include "keelstep.ports" .Values.networkPolicies.brokerPorts }}
  {{- with .Values.networkPolicies.brokerPeers }}
  to: {{ toJson . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "keelstep.to.postgres" -}}
{{- if .Values.embedded.enabled -}}
- to:
    - podSelector:
        matchLabels: {{ include "keelstep.program.selector" (list . "postgres") | nindent 10 }}
  ports: [{protocol: TCP, port: 5432}]
{{- else -}}
- ports: {{ include "keelstep.ports" .Values.networkPolicies.postgresPorts }}
{{- end }}
{{- end }}

{{- define "keelstep.to.kubernetes" -}}
- to:
    {{- range .Values.networkPolicies.apiServer.cidrs }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  ports: {{ include "keelstep.ports" .Values.networkPolicies.apiServer.ports }}
{{- end }}

{{- define "keelstep.from.prometheus" -}}
- from: {{ toJson .Values.networkPolicies.metricsPeers }}
  ports: [{protocol: TCP, port: metrics}]
{{- end }}

{{/* (list . "operator"): the head of its policy. */}}
{{- define "keelstep.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: keelstep-{{ index . 1 }}
  labels: {{ include "keelstep.labels" (index . 0) | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{ include "keelstep.program.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}
