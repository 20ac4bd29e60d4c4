# The Windows side of the driver windows-firewall: one JSON object in on
# standard input, one out. UNTESTED on a real host: try it on one of yours.
#
# Isolated, every profile blocks in and out, and only rules of the group Sluice
# and what they stand for pass; all other rules are disabled, and stand in
# C:\ProgramData\Sluice\disabled.txt. What is leased is in the group
# "Sluice <until, UTC>": a scheduled task of SYSTEM removes it, whoever else
# lives or not.

$ErrorActionPreference = 'Stop'
$folder = Join-Path $env:ProgramData 'Sluice'
$disabled = Join-Path $folder 'disabled.txt'
$group = 'Sluice'

function Answer($value) {
    [Console]::Out.WriteLine(($value | ConvertTo-Json -Compress -Depth 4))
}

# Rules of ours, those whose lease ran out aside: removed here too, so that a
# task that did not run changes nothing.
function Get-Ours {
    $now = [DateTime]::UtcNow.ToString('yyyyMMddHHmmss')
    foreach ($rule in @(Get-NetFirewallRule -ErrorAction SilentlyContinue |
            Where-Object { $_.Group -eq $group -or
                           $_.Group -like "$group until *" })) {
        if ($rule.Group -like "$group until *" -and
            $rule.Group.Substring($group.Length + 7) -le $now) {
            Remove-NetFirewallRule -Name $rule.Name
        } else {
            $rule
        }
    }
}

function Remove-Flow($line) {
    Get-Ours | Where-Object { $_.Description -eq $line } |
        Remove-NetFirewallRule
}

function Add-Flow($flow, $addresses, $lease) {
    Remove-Flow $flow.line
    $in = $addresses -contains ($flow.server -replace '/(32|128)$', '')
    $kept = $group
    if ($lease -gt 0) {
        $until = [DateTime]::UtcNow.AddSeconds($lease)
        $kept = "$group until " + $until.ToString('yyyyMMddHHmmss')
        $name = 'Sluice closes ' + $until.ToString('yyyyMMddHHmmss')
        $command = "Get-NetFirewallRule -Group '$kept' | " +
            'Remove-NetFirewallRule; ' +
            "Unregister-ScheduledTask -TaskName '$name' -Confirm:`$false"
        Register-ScheduledTask -TaskName $name -Force -User 'SYSTEM' `
            -RunLevel Highest `
            -Trigger (New-ScheduledTaskTrigger -Once -At $until.ToLocalTime()) `
            -Action (New-ScheduledTaskAction -Execute 'powershell.exe' `
                -Argument "-NoProfile -Command `"$command`"") | Out-Null
    }
    $rule = @{ DisplayName = 'Sluice'; Group = $kept; Action = 'Allow'
               Description = $flow.line; Protocol = $flow.protocol.ToUpper() }
    if ($in) {
        New-NetFirewallRule @rule -Direction Inbound -RemoteAddress `
            $flow.client -LocalPort $flow.ports | Out-Null
    } else {
        New-NetFirewallRule @rule -Direction Outbound -RemoteAddress `
            $flow.server -RemotePort $flow.ports | Out-Null
    }
}

function Set-Isolated($asked) {
    New-Item -ItemType Directory -Force $folder | Out-Null
    $others = @(Get-NetFirewallRule -Enabled True |
        Where-Object { $_.Group -notlike "$group*" })
    $others | ForEach-Object { $_.Name } | Add-Content $disabled
    # The way in for the driver stands before everything else is shut.
    Get-Ours | Remove-NetFirewallRule
    New-NetFirewallRule -DisplayName 'Sluice' -Group $group -Action Allow `
        -Description 'management' -Direction Inbound -Protocol TCP `
        -LocalPort 22 -RemoteAddress $asked.keep | Out-Null
    foreach ($flow in $asked.flows) { Add-Flow $flow $asked.addresses 0 }
    $others | Disable-NetFirewallRule
    Set-NetFirewallProfile -All -Enabled True -DefaultInboundAction Block `
        -DefaultOutboundAction Block -AllowLocalFirewallRules True
}

try {
    $asked = [Console]::In.ReadLine() | ConvertFrom-Json
    switch ($asked.verb) {
        'isolate' { Set-Isolated $asked }
        'open' {
            foreach ($flow in $asked.flows) {
                Add-Flow $flow $asked.addresses $asked.lease
            }
        }
        'close' { foreach ($flow in $asked.flows) { Remove-Flow $flow.line } }
        'read' {
            $shut = @(Get-NetFirewallProfile | Where-Object {
                $_.Enabled -ne 'True' -or
                $_.DefaultInboundAction -ne 'Block' -or
                $_.DefaultOutboundAction -ne 'Block' }).Count -eq 0
            $strange = @(Get-NetFirewallRule -Enabled True -Action Allow |
                Where-Object { $_.Group -notlike "$group*" }).Count
            Answer @{ ok = $true; isolated = ($shut -and $strange -eq 0)
                      flows = @(Get-Ours |
                          Where-Object { $_.Description -ne 'management' } |
                          ForEach-Object { $_.Description }) }
            exit 0
        }
        default { throw "there is no verb '$($asked.verb)'" }
    }
    Answer @{ ok = $true }
} catch {
    Answer @{ ok = $false; error = "$_" }
}
