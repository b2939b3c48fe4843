{{/* A CronJob; takes (dict root name component cron arguments env). `env` is the name of the template with its variables. */}}
{{- define "cybersec.cronjob" -}}
{{- $root := .root -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  {{- include "cybersec.metadata" (list $root .name .component) | nindent 2 }}
spec:
  schedule: {{ .cron | quote }}
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 60
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: 7200
      template:
        metadata:
          labels:
            {{- include "cybersec.selector" $root | nindent 12 }}
            app.kubernetes.io/component: {{ .component }}
        spec:
          {{- include "cybersec.pod" (list $root "job" false) | nindent 10 }}
          restartPolicy: Never
          initContainers:
            {{- include "cybersec.waitForSetup" $root | nindent 12 }}
          containers:
            - name: {{ .component }}
              {{- include "cybersec.container" $root | nindent 14 }}
              args: {{ .arguments | toJson }}
              env:
                {{- include .env $root | nindent 16 }}
              resources:
                {{- toYaml $root.Values.jobs.resources | nindent 16 }}
{{- end }}
