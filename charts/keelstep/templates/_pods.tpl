{{/* What every Pod of ours has in common: Pod Security `restricted`, and where it runs. (list . "operator" replicas) */}}

{{- define "keelstep.pod" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- if $root.Values.scheduling.priorityClasses }}
priorityClassName: keelstep-programs
{{- end }}
{{- with $root.Values.scheduling.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $root.Values.scheduling.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "keelstep.program.selector" (list $root $name) | nindent 8 }}
{{- end }}

{{- define "keelstep.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* An environment as a list, in the order of its names; numbers are texts there. */}}
{{- define "keelstep.environment" -}}
{{- range $name, $value := . }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{/* How a program reaches the broker and knows whose signatures count. */}}
{{- define "keelstep.broker.environment" -}}
{{- $environment := dict
  "KEELSTEP_NATS_URL" (include "keelstep.broker.url" .)
  "KEELSTEP_NATS_CREDENTIALS" "/etc/keelstep/own/nats.creds"
  "KEELSTEP_KEYRING" "/etc/keelstep/public/keyring.json"
  "KEELSTEP_METRICS_PORT" 9090
  "KEELSTEP_LOG_LEVEL" .Values.logLevel -}}
{{- if .Values.broker.caSecret }}
{{- $_ := set $environment "KEELSTEP_NATS_CA_FILE" "/etc/keelstep/broker/ca.crt" }}
{{- end }}
{{- toJson $environment }}
{{- end }}

{{- define "keelstep.broker.mounts" -}}
- {name: own, mountPath: /etc/keelstep/own, readOnly: true}
- {name: public, mountPath: /etc/keelstep/public, readOnly: true}
{{- if .Values.broker.caSecret }}
- {name: broker, mountPath: /etc/keelstep/broker, readOnly: true}
{{- end }}
{{- end }}

{{/* (list . "keelstep-operator"), the Secret with its part of the installation. */}}
{{- define "keelstep.broker.volumes" -}}
{{- $root := index . 0 -}}
- name: own
  secret: {secretName: {{ index . 1 }}, defaultMode: 0440}
- name: public
  configMap: {name: keelstep-public}
{{- with $root.Values.broker.caSecret }}
- name: broker
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}

{{/* A thread of its own serves metrics, so that they tell when a program has come up, not whether it goes on: what
     cannot go on ends by itself. */}}
{{- define "keelstep.metrics" -}}
ports:
  - {name: metrics, containerPort: 9090}
readinessProbe:
  tcpSocket: {port: metrics}
  periodSeconds: 2
{{- end }}

{{/* At most one Pod of a program may be evicted at a time. (list . "operator" replicas) */}}
{{- define "keelstep.disruption" -}}
{{- $root := index . 0 -}}
{{- if and $root.Values.scheduling.disruptionBudgets (gt (int (index . 2)) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: keelstep-{{ index . 1 }}
  labels: {{ include "keelstep.program.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{ include "keelstep.program.selector" . | nindent 6 }}
{{- end }}
{{- end }}
