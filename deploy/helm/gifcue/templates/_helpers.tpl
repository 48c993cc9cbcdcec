{{- define "gifcue.name" -}}
{{- $name := .Chart.Name -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "gifcue.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gifcue.labels" -}}
{{ include "gifcue.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "gifcue.image" -}}
{{- $tag := .Values.image.tag | default (printf "%s%s" .Chart.AppVersion (ternary "-gpu" "" (gt (int .Values.gpu.devices) 0))) -}}
{{- with .Values.image.digest -}}
{{ $.Values.image.repository }}@{{ . }}
{{- else -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{/* MiB of a pod: see `capacity` in values.yaml. */}}
{{- define "gifcue.memory" -}}
{{- $cores := int .Values.capacity.cores -}}
{{- add 512 (mul 256 $cores) (mul 4 (int .Values.capacity.participants)) (mul 3072 (int .Values.gpu.devices)) -}}Mi
{{- end -}}

{{/* The settings as environment variables: those of the chart, and each table of .Values.settings as JSON. */}}
{{- define "gifcue.environment" -}}
{{- $variables := dict
  "GIFCUE_SERVER__OPERATOR_HTTP_LISTEN" "0.0.0.0:8081"
  "GIFCUE_SERVER__LAME_DUCK_S" (int .Values.drain.lameDuckSeconds | toString)
  "GIFCUE_SERVER__DRAIN_TIMEOUT_S" (int .Values.drain.timeoutSeconds | toString)
  "GIFCUE_LIMITS__MAX_PARTICIPANTS" (int .Values.capacity.participants | toString)
-}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $variables "GIFCUE_SERVER__TLS_CERTIFICATE" "/etc/gifcue/tls/tls.crt" -}}
{{- $_ := set $variables "GIFCUE_SERVER__TLS_KEY" "/etc/gifcue/tls/tls.key" -}}
{{- if .Values.tls.clientCa -}}
{{- $_ := set $variables "GIFCUE_SERVER__TLS_CLIENT_CA" "/etc/gifcue/tls/ca.crt" -}}
{{- end -}}
{{- end -}}
{{- if .Values.access.keysSecretName -}}
{{- $_ := set $variables "GIFCUE_ACCESS__KEYS" "/etc/gifcue/keys/keys.toml" -}}
{{- end -}}
{{- if .Values.whip.port -}}
{{- $_ := set $variables "GIFCUE_WHIP__LISTEN" (printf "0.0.0.0:%d" (int .Values.whip.port)) -}}
{{- end -}}
{{- if .Values.insecure -}}
{{- $_ := set $variables "GIFCUE_SERVER__INSECURE" "true" -}}
{{- end -}}
{{- $settings := deepCopy .Values.settings -}}
{{- if and .Values.gateway.enabled .Values.gateway.httpHostnames -}}
{{- $server := get $settings "server" | default dict -}}
{{- $hosts := concat .Values.gateway.httpHostnames (get $server "allowed_hosts" | default list) | uniq -}}
{{- $_ := set $server "allowed_hosts" $hosts -}}
{{- $_ := set $settings "server" $server -}}
{{- end -}}
{{- range $table, $values := $settings -}}
{{- if eq $table "expert" -}}
{{- range $under, $each := $values -}}
{{- $_ := set $variables (printf "GIFCUE_EXPERT__%s" (upper $under)) (toJson $each) -}}
{{- end -}}
{{- else -}}
{{- $_ := set $variables (printf "GIFCUE_%s" (upper $table)) (toJson $values) -}}
{{- end -}}
{{- end -}}
{{- toYaml $variables -}}
{{- end -}}

{{/* What a pod's series have in Prometheus. */}}
{{- define "gifcue.series" -}}
namespace="{{ .Release.Namespace }}",service="{{ include "gifcue.name" . }}-pods"
{{- end -}}

{{/* Pods that are needed: (participants + spare) / capacity of a pod, which an autoscaler rounds up. */}}
{{- define "gifcue.needed" -}}
(sum(gifcue_participants{ {{- include "gifcue.series" . -}} }) + {{ int .Values.autoscaling.spareParticipants }}) / avg(gifcue_participants_max{ {{- include "gifcue.series" . -}} })
{{- end -}}

{{/* Up at once, because participants wait; down slowly, because each removal moves streams. */}}
{{- define "gifcue.behavior" -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail (printf "autoscaling: expected minReplicas of at most maxReplicas, got %d and %d" (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- $all := mul (int .Values.autoscaling.maxReplicas) (int .Values.capacity.participants) -}}
{{- if le (mul 10 (int .Values.autoscaling.spareParticipants)) $all -}}
{{- fail (printf "autoscaling: expected spareParticipants of more than %d, a tenth of maxReplicas × capacity.participants, got %d: a HorizontalPodAutoscaler adds no pod for a need within a tenth of what it has" (div $all 10) (int .Values.autoscaling.spareParticipants)) -}}
{{- end -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - type: Percent
      value: 100
      periodSeconds: 30
    - type: Pods
      value: 4
      periodSeconds: 30
  selectPolicy: Max
scaleDown:
  stabilizationWindowSeconds: {{ int .Values.autoscaling.scaleDownSeconds }}
  policies:
    - type: Percent
      value: 10
      periodSeconds: 120
    - type: Pods
      value: 1
      periodSeconds: 120
  selectPolicy: Max
{{- end -}}
